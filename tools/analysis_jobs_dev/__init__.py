"""Tools for developers of analyses: the packager and the local cloud. No deployment package contains them."""
