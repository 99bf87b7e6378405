"""Standard rates in basis points, used until the tax system has been reached for the first time. Pure.

https://europa.eu/youreurope/business/taxation/vat/vat-rules-rates/ , and the national rates of CA (GST), CH, GB and NO
"""

VERSION = "default-2026-01"

# fmt: off
RATES = {
    "AT": 2000, "BE": 2100, "BG": 2000, "CA": 500, "CH": 810, "CY": 1900, "CZ": 2100, "DE": 1900, "DK": 2500, "EE": 2400,
    "ES": 2100, "FI": 2550, "FR": 2000, "GB": 2000, "GR": 2400, "HR": 2500, "HU": 2700, "IE": 2300, "IT": 2200, "LT": 2100,
    "LU": 1700, "LV": 2100, "MT": 1800, "NL": 2100, "NO": 2500, "PL": 2300, "PT": 2300, "RO": 2100, "SE": 2500, "SI": 2200,
    "SK": 2300,
}
# fmt: on
