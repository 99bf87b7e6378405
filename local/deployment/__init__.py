"""Bring changed files into the deployed stack: check them, package the changed templates, update with CloudFormation."""
