"""All deployed APIs at one address on loopback, with the paths of the custom domain."""
