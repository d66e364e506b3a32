"""Images per CPU second beside npm's sharp, which stands on the same libvips: ``.venv/bin/python bench/images.py``.

Both sides make a progressive JPEG (quality 85, fit 2000×2000) and a WebP thumbnail (quality 85, fit 320×320) of the same
files, with one libvips thread, no cache and 4:2:0. The sides take turns, and each ratio is the median of the rounds' own ratios,
so that a machine busy with something else slows both sides of a ratio. Each round
is a process of its own that warms up first; the CPU seconds are those of the whole process during its loop, all threads counted.
sharp is measured in two ways, two pipelines from the file (the usual one) and one shared decode; the ratio is against the faster.
Quality is the SSIM against a Lanczos downscale of the original in one step (Pillow), at the variant's own size.
Writes bench/results/images.md.
"""

import argparse
import io
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

SIZES = ((3000, 2000), (4000, 3000), (6000, 4000))
GOAL = 0.95


@dataclass
class Side:
    """What one side did to one photo: CPU and wall seconds an image, one figure a round."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    optimized: bytes = b""
    thumbnail: bytes = b""


def _measure_own(path: str, images: int, folder: Path) -> dict[str, float]:
    """Runs in a process of its own (``--own``)."""
    from shared_code.files import imaging

    made = imaging.optimize(path)
    (folder / "optimized.jpg").write_bytes(made.optimized.data)
    (folder / "thumbnail.webp").write_bytes(made.thumbnail.data)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    for _ in range(images):
        imaging.optimize(path)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu": after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, "wall": wall, "rounds": images}


def _round(side: str, path: Path, images: int, result: Side) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if side == "lydian":
            command = [sys.executable, __file__, "--own", str(path), "--images", str(images), "--folder", folder]
        else:
            command = ["node", str(HERE / "images_sharp.mjs"), side, str(path), str(images), folder]
        figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE).stdout)
        result.cpu.append(figures["cpu"] / figures["rounds"])
        result.wall.append(figures["wall"] / figures["rounds"])
        result.optimized = Path(folder, "optimized.jpg").read_bytes()
        result.thumbnail = Path(folder, "thumbnail.webp").read_bytes()


def _ssim(data: bytes, original: Path) -> float:
    import numpy
    from PIL import Image
    from skimage.metrics import structural_similarity

    with Image.open(io.BytesIO(data)) as made, Image.open(original) as source:
        reference = numpy.asarray(source.convert("RGB").resize(made.size, Image.Resampling.LANCZOS))
        value = structural_similarity(reference, numpy.asarray(made.convert("RGB")), channel_axis=2, data_range=255)
        return float(value)


def _photos(folder: Path) -> Iterable[tuple[str, Path]]:
    from tests.images import jpeg, photo

    for width, height in SIZES:
        path = folder / f"{width}.jpg"
        path.write_bytes(jpeg(photo(width, height), quality=92))
        yield f"{width * height // 1_000_000} MP", path


def _ratios(peer: Side, own: Side) -> list[float]:
    return [theirs / ours for theirs, ours in zip(peer.cpu, own.cpu, strict=True)]


def _row(name: str, original: Path, sides: dict[str, Side]) -> tuple[list[str], float]:
    cpu = {side: statistics.median(result.cpu) for side, result in sides.items()}
    ratio = min(statistics.median(_ratios(sides[peer], sides["lydian"])) for peer in ("source", "shared"))
    own, peer = sides["lydian"], sides["shared"]
    sizes = [f"{len(getattr(own, part)) / len(getattr(peer, part)):.3f}" for part in ("optimized", "thumbnail")]
    quality = [" / ".join(f"{_ssim(getattr(side, part), original):.4f}" for side in sides.values()) for part in ("optimized", "thumbnail")]
    rates = [f"{1 / cpu[side]:.2f}" for side in sides]
    wall = f"{statistics.median(own.wall) * 1000:.0f}"
    return [name, f"{original.stat().st_size / 1e6:.1f} MB", *rates, f"{ratio:.2f}", wall, *sizes, *quality], ratio


HEADER = (
    *("photo", "file", "Lydian /CPU s", "sharp, from source /CPU s", "sharp, shared decode /CPU s", "ratio to the faster", "Lydian ms"),
    *("JPEG bytes ÷ sharp's", "thumbnail bytes ÷ sharp's (shared)", "JPEG SSIM: Lydian / source / shared", "thumbnail SSIM: the same"),
)


def _compare(rounds: int, images: int) -> int:
    if not (HERE / "node_modules" / "sharp").exists():
        subprocess.run(["npm", "ci"], check=True, cwd=HERE)
    lines = ["| " + " | ".join(HEADER) + " |", "|" + " --- |" * len(HEADER)]
    worst = 99.0
    with tempfile.TemporaryDirectory() as folder:
        for name, path in _photos(Path(folder)):
            sides = {side: Side() for side in ("lydian", "source", "shared")}
            for _ in range(rounds):
                for side, result in sides.items():
                    _round(side, path, images, result)
            cells, ratio = _row(name, path, sides)
            worst = min(worst, ratio)
            lines.append("| " + " | ".join(cells) + " |")
    print("\n".join(lines))
    print(f"\nworst ratio: {worst:.2f} (goal: {GOAL})")
    _write(lines, worst, rounds, images)
    return 0 if worst >= GOAL else 1


def _write(lines: list[str], worst: float, rounds: int, images: int) -> None:
    import pyvips  # type: ignore[import-untyped]  # ships stubs, but no py.typed marker

    sharp = json.loads((HERE / "node_modules" / "sharp" / "package.json").read_text())["version"]
    vips = ".".join(str(pyvips.version(part)) for part in range(3))
    head = f"""# Images per CPU second

`.venv/bin/python bench/images.py`, {rounds} rounds of {images} images, medians.
Python {platform.python_version()}, libvips {vips} (pyvips), sharp {sharp}, one libvips thread each.
How it is measured is said at the top of `bench/images.py`.

"""
    target = HERE / "results" / "images.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(head + "\n".join(lines) + f"\n\nWorst ratio: {worst:.2f}; the goal is {GOAL} or better.\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--images", type=int, default=6, help="images a round")
    parser.add_argument("--own", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.own:
        print(json.dumps(_measure_own(options.own, options.images, Path(options.folder))))
        return 0
    return _compare(options.rounds, options.images)


if __name__ == "__main__":
    sys.exit(main())
