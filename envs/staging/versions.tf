terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # One exact version in all environments. ../terraform.lock.hcl has its checksums.
      version = "5.100.0"
    }
  }

  # Give the bucket of your account: terraform init -backend-config="bucket=…" -backend-config="region=…"
  backend "s3" {
    key          = "analysis-jobs/staging.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
