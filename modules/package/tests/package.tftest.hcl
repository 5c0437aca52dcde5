# What the module reads from a manifest, and from a package that is described by hand.
variables {
  analyses = ["plain"]
  lanes    = ["medium"]
}

run "the_zip_is_beside_its_manifest" {
  command = plan
  variables {
    package = { manifest = "tests/manifest.json" }
  }

  assert {
    condition     = output.zip.path == "tests/package.txt" && output.zip.sha256_base64 == filebase64sha256("tests/package.txt")
    error_message = "The path of the zip begins at the manifest."
  }

  assert {
    condition     = output.version == "1.0.0+4240cb952eb1" && output.architecture == "arm64"
    error_message = "The version and the processor are those of the manifest."
  }
}

run "the_zip_of_a_manifest_may_be_in_s3_alone" {
  command = plan
  variables {
    package = { manifest = "tests/manifest-elsewhere.json", s3 = { bucket = "acme-packages", key = "a.zip", object_version = "v1" } }
  }

  assert {
    condition     = output.zip.path == null && output.zip.s3.object_version == "v1"
    error_message = "Without the file, the version pins the bytes."
  }
}

run "by_hand_the_version_is_the_hash" {
  command = plan
  variables {
    package = { path = "tests/package.txt", sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=" }
  }

  assert {
    condition     = output.version == "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=" && output.architecture == null
    error_message = "Without a version, results record the hash."
  }
}

run "a_worker_without_ocr_is_small_and_a_computing_analysis_runs_alone" {
  command = plan
  variables {
    package = { manifest = "tests/manifest.json" }
  }

  assert {
    condition     = output.worker.memory_mb == 256 && output.worker.jobs_per_invocation == 1
    error_message = "The package has no OCR, and its analysis does not declare that it mostly waits."
  }
}

run "analyses_that_mostly_wait_share_an_invocation" {
  command = plan
  variables {
    analyses = ["waiting"]
    package  = { manifest = "tests/manifest.json" }
  }

  assert {
    condition     = output.worker.jobs_per_invocation == 20
    error_message = "Every analysis of the stack mostly waits."
  }
}

run "one_computing_analysis_keeps_the_stack_at_one_job" {
  command = plan
  variables {
    analyses = ["waiting", "plain"]
    package  = { manifest = "tests/manifest.json" }
  }

  assert {
    condition     = output.worker.jobs_per_invocation == 1
    error_message = "The analyses of a stack share its workers, and one of them computes."
  }
}

run "tesseract_needs_more_memory" {
  command = plan
  variables {
    package = { manifest = "tests/manifest-all.json" }
    secrets = ["DATABASE_SECRET"]
  }

  assert {
    condition     = output.worker.memory_mb == 1024
    error_message = "The package has OCR."
  }
}

run "tesseract_that_is_not_used_needs_no_memory" {
  command = plan
  variables {
    documents = { ocr = "none" }
    package   = { manifest = "tests/manifest-all.json" }
    secrets   = ["DATABASE_SECRET"]
  }

  assert {
    condition     = output.worker.memory_mb == 256
    error_message = "The stack reads no scans."
  }
}

run "a_package_by_hand_may_need_anything" {
  command = plan
  variables {
    package = { path = "tests/package.txt", sha256_base64 = "QkDLlS6xgIkK6pp+tt3eQV8cfcfyZ0JZ9nOsCZ/lw4g=" }
  }

  assert {
    condition     = output.worker.memory_mb == 1024 && output.worker.jobs_per_invocation == 1
    error_message = "Nothing is known about the package."
  }
}
