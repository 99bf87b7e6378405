"""Pictures of products, generated from their SKUs: deterministic and free of copyright."""

import hashlib
from itertools import pairwise

from starlette.requests import Request
from starlette.responses import Response

WIDTH, HEIGHT, BRICK = 320, 240, 40
COLOURS = ("#d64933", "#f4b942", "#2f6690", "#3a7d44", "#8e5572", "#e07a5f", "#4c8577", "#5c6bc0")


async def picture(request: Request) -> Response:
    """GET /pictures/{sku}.svg"""
    return Response(
        draw(request.path_params["sku"]),
        media_type="image/svg+xml",
        headers={"Cache-Control": "public, max-age=604800, immutable", "Content-Security-Policy": "default-src 'none'"},
    )


def draw(sku: str) -> str:
    """Draw a small building of bricks as SVG."""
    numbers = hashlib.sha256(sku.encode()).digest()
    heights = [1 + number % 5 for number in numbers[:6]]
    left = (WIDTH - len(heights) * BRICK) // 2
    bricks = []
    for column, height in enumerate(heights):
        for row in range(height):
            colour = COLOURS[numbers[6 + (column * 5 + row) % 26] % len(COLOURS)]
            bricks.append(_brick(left + column * BRICK, HEIGHT - 20 - (row + 1) * BRICK, colour))
    tops = [(left + column * BRICK, HEIGHT - 20 - height * BRICK) for column, height in enumerate(heights)]
    roofs = [
        f'<line x1="{x}" y1="{y}" x2="{next_x}" y2="{next_y}" stroke="#00000022" stroke-width="2"/>'
        for (x, y), (next_x, next_y) in pairwise(tops)
    ]
    ground = f'<rect x="0" y="{HEIGHT - 20}" width="{WIDTH}" height="20" fill="#7c9a6b"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#dbe9f4"/>{ground}{"".join(bricks)}{"".join(roofs)}</svg>'
    )


def _brick(x: int, y: int, colour: str) -> str:
    studs = "".join(
        f'<rect x="{x + offset}" y="{y - 5}" width="10" height="6" rx="1" fill="{colour}"/>' for offset in (6, 24)
    )
    return f'{studs}<rect x="{x}" y="{y}" width="{BRICK}" height="{BRICK}" fill="{colour}" stroke="#00000033"/>'
