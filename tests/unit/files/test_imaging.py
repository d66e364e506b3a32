"""The rules for variants, each on libvips and on Pillow."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from shared_code.files import imaging, imaging_pillow, imaging_vips
from shared_code.files.imaging import ImageRejected, Optimized, Variant
from tests import images


@pytest.fixture(params=[imaging_vips, imaging_pillow], ids=["libvips", "pillow"])
def renderer(request: pytest.FixtureRequest) -> imaging.Renderer:
    renderer: imaging.Renderer = request.param
    return renderer


def pixels(variant: Variant) -> Image.Image:
    """The decoded variant, checked against what it says about itself."""
    picture = Image.open(io.BytesIO(variant.data))
    picture.load()
    assert Image.MIME[picture.format or ""] == variant.content_type
    assert picture.size == (variant.width, variant.height)
    return picture


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of a channel value, of 255."""
    mean = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean
    return sum(mean) / len(mean)


def assert_anonymous(made: Optimized) -> None:
    for variant in (made.optimized, made.thumbnail):
        picture = pixels(variant)
        assert not picture.getexif()
        assert "icc_profile" not in picture.info
        assert "xmp" not in picture.info
        assert "comment" not in picture.info
        assert images.GPS_MARK not in variant.data


def test_photo_becomes_a_progressive_jpeg_and_a_webp_thumbnail(renderer: imaging.Renderer, tmp_path: Path) -> None:
    picture = images.photo(3000, 2000)
    path = tmp_path / "photo"
    path.write_bytes(images.jpeg(picture, exif=images.exif()))
    made = imaging.optimize(str(path), renderer=renderer)
    assert (made.width, made.height) == (3000, 2000)
    assert (made.optimized.content_type, made.optimized.width, made.optimized.height) == ("image/jpeg", 2000, 1333)
    assert (made.thumbnail.content_type, made.thumbnail.width, made.thumbnail.height) == ("image/webp", 320, 213)
    assert pixels(made.optimized).info["progressive"]
    assert made.optimized.size < path.stat().st_size
    assert difference(pixels(made.optimized), picture.resize((2000, 1333), Image.Resampling.LANCZOS)) < 6
    assert_anonymous(made)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(renderer: imaging.Renderer, orientation: int) -> None:
    upright = images.photo(600, 400)
    # The inverse of what EXIF asks for: applying it gives the upright picture again.
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(Image.Transpose(inverse[orientation])) if orientation > 1 else upright
    made = imaging.optimize(images.jpeg(stored, quality=97, exif=images.exif(orientation)), renderer=renderer)
    assert (made.width, made.height) == (made.optimized.width, made.optimized.height) == (600, 400)
    assert (made.thumbnail.width, made.thumbnail.height) == (320, 213)
    assert difference(pixels(made.optimized), upright) < 6
    assert difference(pixels(made.thumbnail), upright.resize((320, 213), Image.Resampling.LANCZOS)) < 6
    assert_anonymous(made)


@pytest.mark.parametrize(("size", "optimized", "thumbnail"), [((200, 100), (200, 100), (200, 100)), ((5000, 3), (2000, 1), (320, 1))])
def test_never_enlarged_and_never_without_a_pixel(
    renderer: imaging.Renderer, size: tuple[int, int], optimized: tuple[int, int], thumbnail: tuple[int, int]
) -> None:
    made = imaging.optimize(images.jpeg(images.photo(*size)), renderer=renderer)
    assert (made.optimized.width, made.optimized.height) == optimized
    assert (made.thumbnail.width, made.thumbnail.height) == thumbnail
    pixels(made.optimized), pixels(made.thumbnail)


def test_foreign_colours_become_srgb(renderer: imaging.Renderer) -> None:
    picture = Image.new("RGB", (64, 64), (200, 60, 40))
    made = imaging.optimize(images.jpeg(picture, icc_profile=images.wide_profile()), renderer=renderer)
    red, green, blue = pixels(made.optimized).convert("RGB").getpixel((32, 32))  # type: ignore[misc]  # typed for every mode
    # Display P3 (200, 60, 40) in sRGB by the matrices of both spaces is (217, 41, 27).
    assert abs(red - 217) < 6
    assert abs(green - 41) < 8
    assert abs(blue - 27) < 8
    assert not made.stripped
    assert_anonymous(made)


def test_cmyk_becomes_rgb(renderer: imaging.Renderer) -> None:
    picture = Image.new("CMYK", (80, 60), (0, 255, 255, 0))
    made = imaging.optimize(images.jpeg(picture), renderer=renderer)
    result = pixels(made.optimized)
    red, green, blue = result.getpixel((40, 30))  # type: ignore[misc]  # typed for every mode
    assert result.mode == "RGB"
    assert red > 200
    assert green < 60
    assert blue < 60


def test_broken_profile_is_ignored(renderer: imaging.Renderer) -> None:
    picture = images.photo(300, 200)
    made = imaging.optimize(images.jpeg(picture, icc_profile=b"no profile at all" * 20), renderer=renderer)
    assert difference(pixels(made.optimized), picture) < 6


def test_alpha_becomes_webp_and_stays(renderer: imaging.Renderer) -> None:
    picture = images.with_alpha(images.photo(2400, 300))
    made = imaging.optimize(images.encoded(picture, "PNG"), renderer=renderer)
    for variant, size in ((made.optimized, (2000, 250)), (made.thumbnail, (320, 40))):
        result = pixels(variant)
        assert variant.content_type == "image/webp"
        assert result.size == size
        expected = picture.resize(size, Image.Resampling.LANCZOS)
        assert difference(result.getchannel("A"), expected.getchannel("A")) < 3
        assert difference(Image.composite(result.convert("RGB"), Image.new("RGB", size), result.getchannel("A")), _over_black(expected)) < 4


def _over_black(picture: Image.Image) -> Image.Image:
    return Image.composite(picture.convert("RGB"), Image.new("RGB", picture.size), picture.getchannel("A"))


def test_palette_with_transparency(renderer: imaging.Renderer) -> None:
    picture = images.photo(500, 300).quantize(32)
    made = imaging.optimize(images.encoded(picture, "PNG", transparency=0), renderer=renderer)
    assert made.optimized.content_type in ("image/webp", "image/png")
    assert pixels(made.optimized).has_transparency_data


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_opaque_png_of_every_mode(renderer: imaging.Renderer, mode: str) -> None:
    picture = images.photo(2100, 900).convert(mode)
    made = imaging.optimize(images.encoded(picture, "PNG"), renderer=renderer)
    assert (made.optimized.content_type, made.optimized.width, made.optimized.height) == ("image/jpeg", 2000, 857)
    blurred = [each.convert("RGB").resize((100, 43), Image.Resampling.BOX) for each in (pixels(made.optimized), picture)]
    assert difference(*blurred) < (8 if mode == "1" else 2)  # dithering overshoots and is clipped


def test_sixteen_bits_keep_their_brightness(renderer: imaging.Renderer) -> None:
    grey = images.photo(2200, 500).convert("L")
    deep = grey.convert("I").point(lambda value: value * 257).convert("I;16")
    made = imaging.optimize(images.encoded(deep, "PNG"), renderer=renderer)
    assert difference(pixels(made.optimized), grey.resize((2000, 455), Image.Resampling.LANCZOS)) < 4


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animation_is_kept_and_its_thumbnail_stands_still(renderer: imaging.Renderer, kind: str) -> None:
    if kind == "PNG":
        renderer = imaging_pillow  # libvips knows the first frame of an animated PNG only: imaging chooses Pillow itself
    data = images.animation(kind, 400, 300, 5)
    made = imaging.optimize(data, renderer=renderer if kind != "PNG" else None)
    result = pixels(made.optimized)
    assert made.optimized.content_type == "image/webp" or made.stripped
    assert (result.n_frames, result.size, result.info["loop"]) == (5, (400, 300), 0)  # type: ignore[attr-defined]  # of the plugin's class
    original = Image.open(io.BytesIO(data))
    for frame in range(5):
        original.seek(frame)
        result.seek(frame)
        result.load()
        assert result.info["duration"] == 70
        assert difference(result, original) < 6
    still = pixels(made.thumbnail)
    assert still.n_frames == 1  # type: ignore[attr-defined]  # of the plugin's class
    assert still.size == (320, 240)


def test_large_animation_is_scaled(renderer: imaging.Renderer) -> None:
    made = imaging.optimize(images.animation("GIF", 2400, 120, 3), renderer=renderer)
    result = pixels(made.optimized)
    assert (result.n_frames, result.size) == (3, (2000, 100))  # type: ignore[attr-defined]  # of the plugin's class
    assert (made.width, made.height) == (2400, 120)


@pytest.mark.parametrize(("repeats", "plays"), [(None, 1), (0, 0), (3, 4)])
def test_gif_repeats_become_plays(renderer: imaging.Renderer, repeats: int | None, plays: int) -> None:
    made = imaging.optimize(images.animation("GIF", 300, 200, 3, loop=repeats), renderer=renderer)
    assert made.optimized.content_type == "image/webp"
    assert pixels(made.optimized).info["loop"] == plays


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_result_that_is_not_smaller_gives_way_to_the_stripped_original(renderer: imaging.Renderer, kind: str) -> None:
    picture = images.photo(300, 200)
    if kind == "PNG":
        picture = Image.new("RGB", (300, 200), (10, 120, 200))  # a flat PNG is smaller than any JPEG of it
    if kind == "GIF":
        picture = Image.new("P", (300, 200), 3)
    metadata = {} if kind == "GIF" else {"exif": images.exif()}
    data = images.encoded(picture, kind, comment=images.GPS_MARK, **({"quality": 20} if kind in ("JPEG", "WEBP") else {}), **metadata)
    assert images.GPS_MARK in data or kind == "PNG"
    made = imaging.optimize(data, renderer=renderer)
    assert made.stripped
    assert made.optimized.content_type == Image.MIME[kind]
    assert made.optimized.size < len(data)
    assert difference(pixels(made.optimized), Image.open(io.BytesIO(data))) == 0
    assert_anonymous(made)


def test_small_but_turned_original_is_never_kept(renderer: imaging.Renderer) -> None:
    data = images.jpeg(images.photo(300, 200), quality=15, exif=images.exif(6))
    made = imaging.optimize(data, renderer=renderer)
    assert not made.stripped
    assert (made.optimized.width, made.optimized.height) == (200, 300)


def test_srgb_profile_is_no_change(renderer: imaging.Renderer) -> None:
    data = images.jpeg(images.photo(300, 200), quality=15, icc_profile=images.srgb_profile())
    made = imaging.optimize(data, renderer=renderer)
    assert made.stripped
    assert_anonymous(made)


WHOLE = {
    "jpeg": lambda: images.jpeg(images.photo(700, 500)),
    "progressive jpeg": lambda: images.jpeg(images.photo(700, 500), progressive=True),
    "large jpeg": lambda: images.jpeg(images.photo(6200, 300)),
    "png": lambda: images.encoded(images.photo(300, 200), "PNG"),
    "gif": lambda: images.encoded(images.photo(300, 200).quantize(64), "GIF"),
    "animated gif": lambda: images.animation("GIF", 200, 150, 6),
    "webp": lambda: images.encoded(images.photo(500, 300), "WEBP"),
    "lossless webp": lambda: images.encoded(images.photo(200, 100), "WEBP", lossless=True),
    "animated webp": lambda: images.animation("WEBP", 200, 150, 6),
    "animated png": lambda: images.animation("PNG", 100, 80, 4),
}


@pytest.mark.parametrize("name", WHOLE)
def test_cut_at_any_tenth_is_rejected_in_words(renderer: imaging.Renderer, name: str) -> None:
    for part in images.cuts(WHOLE[name]()):
        with pytest.raises(ImageRejected, match=r"truncated|corrupt"):
            imaging.optimize(part, renderer=None if name == "animated png" else renderer)


def test_damage_inside_a_jpeg_is_seen_by_libvips() -> None:
    data = bytearray(images.jpeg(images.photo(700, 500)))
    data[len(data) // 2 : len(data) // 2 + 400] = b"\xff\x31" * 200
    with pytest.raises(ImageRejected, match=r"truncated|corrupt"):
        imaging.optimize(bytes(data), renderer=imaging_vips)


def test_other_thing_behind_a_jpeg_magic_is_rejected(renderer: imaging.Renderer) -> None:
    for tail in (b"<html><script>alert(1)</script></html>" * 50, b"\xe0\x00\x10JFIF\0" + b"<html>" * 400):
        with pytest.raises(ImageRejected):
            imaging.optimize(b"\xff\xd8\xff" + tail, renderer=renderer)


def test_variants_hold_under_threads(renderer: imaging.Renderer) -> None:
    from concurrent.futures import ThreadPoolExecutor

    data = images.jpeg(images.photo(900, 700))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: imaging.optimize(data, renderer=renderer), range(8)))
    assert len({(made.optimized.data, made.thumbnail.data) for made in results}) == 1


def test_missing_file_is_no_fault_of_the_image(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        imaging.optimize(tmp_path / "gone")
