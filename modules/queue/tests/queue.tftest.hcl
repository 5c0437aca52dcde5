# The real provider, for its own checks. With overrides and plans only, it makes no request.
provider "aws" {
  access_key                  = "test"
  region                      = "eu-west-1"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

override_resource {
  target          = aws_sqs_queue.this
  override_during = plan
  values = {
    arn = "arn:aws:sqs:eu-west-1:111122223333:rfp-jobs"
    id  = "https://sqs.eu-west-1.amazonaws.com/111122223333/rfp-jobs"
    url = "https://sqs.eu-west-1.amazonaws.com/111122223333/rfp-jobs"
  }
}

override_resource {
  target          = aws_sqs_queue.dead_letter
  override_during = plan
  values = {
    arn = "arn:aws:sqs:eu-west-1:111122223333:rfp-jobs-dlq"
    id  = "https://sqs.eu-west-1.amazonaws.com/111122223333/rfp-jobs-dlq"
    url = "https://sqs.eu-west-1.amazonaws.com/111122223333/rfp-jobs-dlq"
  }
}

variables {
  function_timeout_s = 900
  name               = "rfp-jobs"
  tags               = { system = "rfp" }
}

run "a_standard_queue_with_its_defaults" {
  command = plan

  assert {
    condition     = [output.name, output.dead_letter_name] == ["rfp-jobs", "rfp-jobs-dlq"]
    error_message = "The dead-letter queue must be named after the queue."
  }

  assert {
    condition     = [aws_sqs_queue.this.message_retention_seconds, aws_sqs_queue.dead_letter.message_retention_seconds] == [345600, 1209600]
    error_message = "4 days in the queue, 14 in the dead letter queue."
  }

  assert {
    condition     = output.visibility_timeout_s == 960
    error_message = "A message stays hidden a minute longer than the function may run."
  }

  assert {
    condition     = aws_sqs_queue.this.receive_wait_time_seconds == 20
    error_message = "A receive waits as long as SQS allows."
  }

  assert {
    condition     = aws_sqs_queue.this.sqs_managed_sse_enabled && aws_sqs_queue.dead_letter.sqs_managed_sse_enabled
    error_message = "Both queues are encrypted."
  }

  assert {
    condition     = !aws_sqs_queue.this.fifo_queue && !aws_sqs_queue.dead_letter.fifo_queue
    error_message = "Neither queue is FIFO."
  }

  assert {
    condition     = aws_sqs_queue.this.tags.system == "rfp" && aws_sqs_queue.dead_letter.tags.system == "rfp"
    error_message = "Both queues are tagged."
  }

  assert {
    condition = jsondecode(aws_sqs_queue_redrive_policy.this.redrive_policy) == {
      deadLetterTargetArn = "arn:aws:sqs:eu-west-1:111122223333:rfp-jobs-dlq"
      maxReceiveCount     = 3
    }
    error_message = "After three receives a message moves to the dead letter queue."
  }

  assert {
    condition = jsondecode(aws_sqs_queue_redrive_allow_policy.dead_letter.redrive_allow_policy) == {
      redrivePermission = "byQueue"
      sourceQueueArns   = ["arn:aws:sqs:eu-west-1:111122223333:rfp-jobs"]
    }
    error_message = "The dead-letter queue must accept messages from this queue only."
  }

  assert {
    condition     = alltrue([for setting in [aws_sqs_queue_policy.this, aws_sqs_queue_redrive_policy.this] : setting.queue_url == aws_sqs_queue.this.url])
    error_message = "The queue's settings are on the queue."
  }

  assert {
    condition     = alltrue([for setting in [aws_sqs_queue_policy.dead_letter, aws_sqs_queue_redrive_allow_policy.dead_letter] : setting.queue_url == aws_sqs_queue.dead_letter.url])
    error_message = "The dead-letter queue's settings are on the dead-letter queue."
  }
}

run "a_fifo_queue_with_its_defaults" {
  command = plan

  variables {
    fifo = true
    name = "rfp-jobs.fifo"
  }

  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_policy.this.redrive_policy).maxReceiveCount == 100
    error_message = "A FIFO queue must allow 100 receives: each wait of a job is one."
  }
}

run "everything_set" {
  command = plan

  variables {
    dead_letter_retention_s = 7200
    fifo                    = true
    kms_key_id              = "alias/jobs"
    max_receive_count       = 5
    name                    = "rfp-jobs.fifo"
    receive_wait_s          = 1
    retention_s             = 3600
    visibility_timeout_s    = 5400
  }

  assert {
    condition     = [aws_sqs_queue.this.kms_master_key_id, aws_sqs_queue.dead_letter.kms_master_key_id] == ["alias/jobs", "alias/jobs"]
    error_message = "Both queues are encrypted with the key."
  }

  assert {
    condition     = [aws_sqs_queue.this.message_retention_seconds, aws_sqs_queue.dead_letter.message_retention_seconds] == [3600, 7200]
    error_message = "Each queue has its retention."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_policy.this.redrive_policy).maxReceiveCount == 5
    error_message = "max_receive_count must be as given."
  }

  assert {
    condition     = [output.visibility_timeout_s, aws_sqs_queue.this.receive_wait_time_seconds] == [5400, 1]
    error_message = "Visibility and wait are those set."
  }

  assert {
    condition     = [output.name, output.dead_letter_name] == ["rfp-jobs.fifo", "rfp-jobs-dlq.fifo"]
    error_message = "Both names must end in .fifo."
  }

  assert {
    condition     = aws_sqs_queue.this.fifo_queue && aws_sqs_queue.dead_letter.fifo_queue
    error_message = "A FIFO queue's dead letter queue is FIFO too."
  }
}
