terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # Exactly one, as in every environment: ../terraform.lock.hcl holds its checksums.
      version = "5.100.0"
    }
  }
}
