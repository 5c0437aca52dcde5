terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # One exact version in all environments. ../terraform.lock.hcl has its checksums.
      version = "5.100.0"
    }
  }
}
