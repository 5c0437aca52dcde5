terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }

  # Where the state is kept. `terraform init` gets the bucket: -backend-config=bucket=… -backend-config=region=…
  # -backend-config=key=letter-summary/<environment>.tfstate. The local cloud uses a state of its own instead.
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
