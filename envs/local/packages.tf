# Each package is uploaded once. From a file, the provider would upload it for each function anew, one at a time.
resource "aws_s3_bucket" "packages" {
  bucket        = "packages"
  force_destroy = true
}

resource "aws_s3_object" "package" {
  for_each = var.packages

  bucket = aws_s3_bucket.packages.bucket
  key    = "${each.key}/${filesha256(each.value.path)}.zip"
  source = each.value.path
}

locals {
  packages = {
    for name, package in var.packages : name => merge(package, {
      s3 = { bucket = aws_s3_bucket.packages.bucket, key = aws_s3_object.package[name].key }
    })
  }
}
