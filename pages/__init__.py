"""Generators of the documentation: what pages say of templates, routes and differences is written from these."""
