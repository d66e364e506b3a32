"""`make demo`: the main job against the running app, with a photo-like image made on the spot."""

import math
import random
import secrets
import sys
import time
from io import BytesIO
from typing import Any

import httpx

from .demo_ai import ask_about_photo, talk
from .demo_payments import pay

WIDTH, HEIGHT = 4000, 3000
PATIENCE = 20.0
"""Seconds that the image job may take."""


def photo() -> bytes:
    """A 12-megapixel JPEG with soft gradients, edges and grain, about as heavy as a camera's."""
    from PIL import Image, ImageDraw, ImageFilter

    random.seed(7)
    sky = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    image = Image.merge("RGB", (sky.point(lambda v: v // 2 + 40), sky.point(lambda v: v // 3 + 110), sky.point(lambda v: 235 - v // 4)))
    draw = ImageDraw.Draw(image)
    for layer in range(6):
        base, phase = HEIGHT * (0.45 + layer * 0.09), random.random() * 9
        ridge = [(x, base + 180 * math.sin(x / (260 + 90 * layer) + phase) + 40 * math.sin(x / 61 + phase)) for x in range(0, WIDTH + 1, 8)]
        draw.polygon([*ridge, (WIDTH, HEIGHT), (0, HEIGHT)], fill=(30 + 22 * layer, 90 - 9 * layer, 80 - 12 * layer))
    grain = Image.effect_noise((WIDTH, HEIGHT), 34).convert("L")
    image = Image.blend(image.filter(ImageFilter.GaussianBlur(2)), Image.merge("RGB", (grain, grain, grain)), 0.14)
    exif = Image.Exif()
    exif[0x010F] = "Lydian demo camera"
    out = BytesIO()
    image.save(out, "JPEG", quality=93, exif=exif)
    return out.getvalue()


def size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def step(text: str) -> None:
    print(f"  {text}", flush=True)


def wait_for_variants(client: httpx.Client, file_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        file: dict[str, Any] = client.get(f"/api/files/{file_id}/metadata").raise_for_status().json()
        if file["image"]["status"] != "pending":
            return file
        time.sleep(0.1)
    raise SystemExit("The image job did not finish: look at the app's log.")


def run(url: str) -> None:
    with httpx.Client(base_url=url, timeout=30) as client:
        services = client.get("/").raise_for_status().json()["services"]
        print(f"\nLydian at {url} runs {', '.join(services)}.\n")

        email = f"demo-{secrets.token_hex(4)}@example.com"
        answer = client.post("/api/auth/register", json={"email": email, "password": secrets.token_urlsafe(12), "name": "Demo"})
        client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
        step(f"1. Signed up as {email}.")

        data = photo()
        began = time.monotonic()
        answer = client.post("/api/files/upload", files={"file": ("mountains.jpg", data, "image/jpeg")}, data={"folder": "/demo"})
        file = answer.raise_for_status().json()
        step(f"2. Uploaded {file['filename']}, {size(file['size'])} and 12 megapixels, in {time.monotonic() - began:.2f} s.")

        file = wait_for_variants(client, file["id"])
        image = file["image"]
        if image["status"] == "failed":
            raise SystemExit(f"The image could not be optimized: {image['error']}")
        optimized, thumbnail = image["variants"]["optimized"], image["variants"]["thumbnail"]
        saved = 100 * image["saved_bytes"] / file["size"]
        step(f"3. Optimized {time.monotonic() - began:.2f} s after the upload began:")
        step(f"     original   {size(file['size']):>9}  {image['width']}×{image['height']}")
        step(
            f"     optimized  {size(optimized['size']):>9}  {optimized['width']}×{optimized['height']}  ({saved:.0f} % saved, no metadata)"
        )
        step(f"     thumbnail  {size(thumbnail['size']):>9}  {thumbnail['width']}×{thumbnail['height']}")

        share = client.post(f"/api/files/{file['id']}/share", json={"expires_in": 3600, "max_downloads": 10}).raise_for_status().json()
        shared = httpx.get(share["url"]).raise_for_status()
        step(f"4. Shared for an hour and 10 downloads; fetched once without signing in: {size(len(shared.content))}.")
        step(f"   Open it in a browser: {share['url']}")
        number = 5
        if "ai" in services:
            ask_about_photo(client, file, number, step)
            number += 1
        if "chat" in services:
            talk(client, file, number, step)
            number += 1
        if "payments" in services:
            pay(client, url, email, step, number)
        print()


def main() -> int:
    url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:7071"
    try:
        run(url)
    except httpx.ConnectError:
        print(f"Nothing answers at {url}: run `make start` in another terminal first.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
