terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # Exactly one, as in every environment: ../terraform.lock.hcl holds its checksums.
      version = "5.100.0"
    }
  }

  # The bucket is the account's own: terraform init -backend-config="bucket=…" -backend-config="region=…"
  backend "s3" {
    key          = "analysis-jobs/production.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
