from local.shop import Shop, eventually, unique  # noqa: F401
