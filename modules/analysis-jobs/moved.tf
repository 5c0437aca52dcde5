# Addresses of earlier versions. A plan shows "has moved to", and nothing is replaced.
moved {
  from = module.api
  to   = module.api[0]
}

moved {
  from = module.api_function
  to   = module.api_function[0]
}
