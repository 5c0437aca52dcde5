# The secrets that the examples expect in an account: the database logins and the API key of Gemini.
resource "aws_secretsmanager_secret" "database" {
  for_each = nonsensitive(toset(keys(var.databases)))

  name = "${local.names[each.key]}-database"
  # Delete the secret at once, so that the name can be reused.
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "database" {
  for_each = aws_secretsmanager_secret.database

  secret_id     = each.value.id
  secret_string = jsonencode(var.databases[each.key])
}

resource "aws_ssm_parameter" "gemini_key" {
  count = contains(keys(var.packages), "drawing-schedule") ? 1 : 0

  name  = "/${local.names["drawing-schedule"]}/gemini-key"
  type  = "SecureString"
  value = "the stand-in accepts any key"
}
