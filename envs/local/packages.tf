# Each package is uploaded once. From a file, the provider would upload it for each function anew, one at a time.
resource "aws_s3_bucket" "packages" {
  bucket        = "packages"
  force_destroy = true
}

resource "aws_s3_object" "package" {
  for_each = var.packages

  bucket = aws_s3_bucket.packages.bucket
  key    = "${each.key}/${filesha256(local.zips[each.key])}.zip"
  source = local.zips[each.key]
}

locals {
  # A manifest names the zip beside it.
  zips = { for name, package in var.packages : name => "${dirname(package.manifest)}/${jsondecode(file(package.manifest)).path}" }

  packages = {
    for name, package in var.packages : name => merge(package, {
      s3 = { bucket = aws_s3_bucket.packages.bucket, key = aws_s3_object.package[name].key }
    })
  }
}
