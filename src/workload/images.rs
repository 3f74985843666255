//! Owns `Images`: how many images each request has, and of which size.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::seed::Seed;
use crate::workload::{Few, Image, ImageSize, MessagePart, RequestSpec, Role, Salt};

/// The images of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// How many.
    pub count: u32,
    /// The size of each.
    pub size: ImageSize,
}

impl fmt::Display for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} image{} of {}", self.count, if self.count == 1 { "" } else { "s" }, self.size)
    }
}

impl Images {
    /// `spec` with its images in front of the text of its last message of the user. Each image of each request is drawn
    /// from `seed` and `salt`, so that no cache of images helps, neither in a run nor in the next.
    pub(super) fn added_to(self, spec: RequestSpec, salt: &Salt, seed: Seed) -> RequestSpec {
        let name = match salt {
            Salt::Off => "images".to_owned(),
            Salt::Text(salt) => format!("images/{salt}"),
        };
        let stream = seed.stream(&name);
        let (id, count) = (spec.outline.id, u64::from(self.count));
        let image = |place| MessagePart::Image(Image::drawn(self.size, &mut stream.at(id.wrapping_mul(count) + place)));
        let mut messages = spec.messages.to_vec();
        if let Some(asking) = messages.iter_mut().rev().find(|message| message.role == Role::User) {
            asking.parts = Few::Many((0..count).map(image).chain(asking.parts.iter().cloned()).collect());
        }
        RequestSpec { messages: Few::Many(messages), ..spec }
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::workload::Outline;

    #[test]
    fn a_request_has_its_images_before_its_text_and_no_two_requests_share_one() {
        let images = Images { count: 2, size: "64x64".parse().unwrap() };
        let outline = |id| Outline::single(id, 3, 1);
        let made = |id, salt: &str| {
            let spec = RequestSpec::of_text(outline(id), "what is this".to_owned());
            images.added_to(spec, &Salt::Text(salt.to_owned()), Seed::new(1))
        };
        let first = made(0, "a");
        let [MessagePart::Image(one), MessagePart::Image(two), MessagePart::Text(text)] = &first.messages[0].parts[..]
        else {
            panic!("two images and a text: {:?}", first.messages);
        };
        assert_eq!((text.as_str(), first.prompt().as_ref()), ("what is this", "what is this"));
        assert_ne!(one, two);
        assert_eq!(made(0, "a"), first);
        for other in [made(1, "a"), made(0, "b")] {
            assert!(!other.messages[0].parts.contains(&first.messages[0].parts[0]));
            assert!(!other.messages[0].parts.contains(&first.messages[0].parts[1]));
        }
    }
}
