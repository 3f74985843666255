//! Owns `Image`: a picture of a given size, made for a request, as PNG.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Refusal;

/// Most pixels of an edge: more than any model takes without scaling it down.
const MOST_PIXELS: u32 = 8192;

/// Pixels of the edge of a tile. A tile has one colour: images differ from each other, and stay small as PNG.
const TILE: u32 = 32;

/// Width and height of an image, in pixels, written `512x512`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSize {
    width: u32,
    height: u32,
}

impl FromStr for ImageSize {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let edge = |text: &str| text.trim().parse().ok().filter(|pixels| (1..=MOST_PIXELS).contains(pixels));
        let edges = text.split_once('x').and_then(|(width, height)| Some((edge(width)?, edge(height)?)));
        let (width, height) = edges.ok_or_else(|| {
            Refusal::new(
                format!("`{text}` is not the size of an image"),
                format!("accepted is WIDTHxHEIGHT in pixels, each from 1 to {MOST_PIXELS}, as in 512x512"),
            )
        })?;
        Ok(Self { width, height })
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// An image of a request: a PNG in Base64.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image(Box<str>);

impl Image {
    /// The bytes of the PNG, in Base64.
    #[must_use]
    pub fn base64(&self) -> &str {
        &self.0
    }

    /// An image of `size` in tiles of drawn colours.
    pub(super) fn drawn(size: ImageSize, generator: &mut impl Rng) -> Self {
        let ImageSize { width, height } = size;
        let row_bytes = width as usize * 3;
        let mut pixels = ZlibEncoder::new(Vec::new(), Compression::fast());
        // Filter 2 (Up) writes the difference to the row above: rows inside a tile are zeros.
        let same = [&[2][..], &vec![0; row_bytes]].concat();
        let mut row = vec![0; 1 + row_bytes];
        for y in 0..height {
            let written = if y % TILE == 0 {
                for tile in row[1..].chunks_mut(TILE as usize * 3) {
                    let colour = generator.next_u32().to_le_bytes();
                    tile.iter_mut().zip(colour[..3].iter().cycle()).for_each(|(byte, part)| *byte = *part);
                }
                pixels.write_all(&row)
            } else {
                pixels.write_all(&same)
            };
            // Writing into memory cannot fail.
            debug_assert!(written.is_ok(), "the memory takes every byte");
        }
        let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
        // 8 bits, RGB, no interlacing.
        header.extend([8, 2, 0, 0, 0]);
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, data) in [(b"IHDR", header), (b"IDAT", pixels.finish().unwrap_or_default()), (b"IEND", Vec::new())] {
            png.extend((data.len() as u32).to_be_bytes());
            let mut sum = Crc::new();
            for part in [&kind[..], &data] {
                sum.update(part);
                png.extend(part);
            }
            png.extend(sum.sum().to_be_bytes());
        }
        Self(BASE64_STANDARD.encode(png).into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::seed::Seed;

    /// The pixels of a PNG as this file makes it: chunks, checksums, filters 0 and 2.
    fn pixels_of(png: &[u8]) -> (u32, u32, Vec<u8>) {
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        let (mut at, mut size, mut packed) = (8, (0, 0), Vec::new());
        let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
        while at < png.len() {
            let length = number(at) as usize;
            let mut sum = Crc::new();
            sum.update(&png[at + 4..at + 8 + length]);
            assert_eq!(number(at + 8 + length), sum.sum());
            match &png[at + 4..at + 8] {
                b"IHDR" => size = (number(at + 8), number(at + 12)),
                b"IDAT" => packed.extend(&png[at + 8..at + 8 + length]),
                _ => {}
            }
            at += 12 + length;
        }
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(&packed[..]).read_to_end(&mut rows).unwrap();
        let row_bytes = size.0 as usize * 3;
        let (mut above, mut pixels) = (vec![0u8; row_bytes], Vec::new());
        for row in rows.chunks(row_bytes + 1) {
            let decoded: Vec<u8> = match row[0] {
                0 => row[1..].to_vec(),
                2 => row[1..].iter().zip(&above).map(|(byte, up)| byte.wrapping_add(*up)).collect(),
                other => panic!("filter {other}"),
            };
            pixels.extend(&decoded);
            above = decoded;
        }
        (size.0, size.1, pixels)
    }

    fn drawn(size: &str, id: u64) -> Image {
        Image::drawn(size.parse().unwrap(), &mut Seed::new(1).stream("images").at(id))
    }

    #[test]
    fn an_image_is_a_png_of_its_size_in_tiles_of_one_colour() {
        for (size, width, height) in [("1x1", 1, 1), ("64x33", 64, 33), ("512x512", 512, 512), ("70x100", 70, 100)] {
            let image = drawn(size, 0);
            let png = BASE64_STANDARD.decode(image.base64()).unwrap();
            assert!(png.len() < 12_000, "{size}: {} bytes", png.len());
            let (w, h, pixels) = pixels_of(&png);
            assert_eq!((w, h, pixels.len()), (width, height, (width * height * 3) as usize), "{size}");
            let colour = |x: u32, y: u32| &pixels[((y * width + x) * 3) as usize..][..3];
            for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
                assert_eq!(colour(x, y), colour(x - x % TILE, y - y % TILE), "{size} at {x}, {y}");
            }
        }
    }

    #[test]
    fn each_image_has_its_own_pixels_and_a_seed_repeats_them() {
        assert_eq!(drawn("64x64", 3), drawn("64x64", 3));
        assert_ne!(drawn("64x64", 3), drawn("64x64", 4));
        for text in ["", "512", "0x5", "5x0", "9000x5", "5x", "ax5", "5*5"] {
            assert!(text.parse::<ImageSize>().is_err(), "{text}");
        }
        assert_eq!("640x480".parse::<ImageSize>().unwrap().to_string(), "640x480");
    }
}
