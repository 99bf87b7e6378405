"""The storefront as Amazon ECS would run it, in a process of this machine: there is no Docker here."""
