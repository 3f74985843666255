//! Owns `Blocks`: the KV blocks of the engine, and the prefix cache in the blocks that no sequence uses.

use std::collections::{BTreeMap, HashMap};

/// The content of a full prompt block: the id of the prompt block that holds its last token (the id stands for
/// everything before it too), and its place in the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) id: u64,
    pub(super) place: u32,
}

/// A pool of blocks. Each block is free, private to a sequence, or keyed. A keyed block is held by at least one
/// sequence, or idle. An idle block keeps its content until its room is needed; the least recently used block goes
/// first (as in vLLM).
#[derive(Debug, Clone)]
pub(super) struct Blocks {
    total: u32,
    private: u32,
    keyed: HashMap<Key, Held>,
    /// Idle keyed blocks, ordered by last use. The key is a counter, not a time.
    idle: BTreeMap<u64, Key>,
    moments: u64,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    holders: u32,
    /// The counter value at which it became idle; meaningful only without holders.
    since: u64,
}

impl Blocks {
    pub(super) fn new(total: u32) -> Self {
        Self { total, private: 0, keyed: HashMap::new(), idle: BTreeMap::new(), moments: 0 }
    }

    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// Blocks that at least one sequence uses.
    pub(super) fn in_use(&self) -> u32 {
        self.private + (self.keyed.len() - self.idle.len()) as u32
    }

    /// Blocks that no sequence uses but whose content can still be reused.
    pub(super) fn idle(&self) -> u32 {
        self.idle.len() as u32
    }

    fn free(&self) -> u32 {
        self.total - self.private - self.keyed.len() as u32
    }

    /// How many of these keys, counted from the first without a gap, are in the cache, and how many of the found
    /// blocks are idle.
    pub(super) fn find(&self, keys: impl Iterator<Item = Key>) -> (u32, u32) {
        let (mut found, mut idle) = (0, 0);
        for held in keys.map_while(|key| self.keyed.get(&key)) {
            found += 1;
            idle += u32::from(held.holders == 0);
        }
        (found, idle)
    }

    /// Blocks that can be taken: the free ones, and the idle ones, whose content is then lost.
    pub(super) fn room(&self) -> u32 {
        self.free() + self.idle()
    }

    /// Takes `count` private blocks; returns false when there are fewer.
    pub(super) fn take(&mut self, count: u32) -> bool {
        if self.room() < count {
            return false;
        }
        while self.free() < count {
            let Some((_, key)) = self.idle.pop_first() else { return false };
            self.keyed.remove(&key);
        }
        self.private += count;
        true
    }

    pub(super) fn give_back(&mut self, count: u32) {
        self.private -= count;
    }

    /// Adds a holder to a keyed block, if the block exists.
    pub(super) fn hold(&mut self, key: Key) {
        if let Some(held) = self.keyed.get_mut(&key) {
            if held.holders == 0 {
                self.idle.remove(&held.since);
            }
            held.holders += 1;
        }
    }

    /// Removes a holder from a keyed block.
    pub(super) fn release(&mut self, key: Key) {
        if let Some(held) = self.keyed.get_mut(&key) {
            held.holders -= 1;
            if held.holders == 0 {
                self.moments += 1;
                held.since = self.moments;
                self.idle.insert(self.moments, key);
            }
        }
    }

    /// Forgets the content of all idle blocks. A block that a sequence holds keeps its content.
    pub(super) fn forget(&mut self) {
        for key in std::mem::take(&mut self.idle).into_values() {
            self.keyed.remove(&key);
        }
    }

    /// Turns a private block that is now full into a keyed one with one holder. Returns false when the content is
    /// already there; the block then stays private.
    pub(super) fn publish(&mut self, key: Key) -> bool {
        if self.keyed.contains_key(&key) {
            return false;
        }
        self.private -= 1;
        self.keyed.insert(key, Held { holders: 1, since: 0 });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u64) -> Key {
        Key { id, place: 0 }
    }

    #[test]
    fn idle_content_gives_way_longest_unused_first() {
        let mut blocks = Blocks::new(3);
        assert!(blocks.take(3) && !blocks.take(1));
        for id in 0..3 {
            assert!(blocks.publish(key(id)));
        }
        for id in [1, 0, 2] {
            blocks.release(key(id));
        }
        assert_eq!((blocks.in_use(), blocks.idle()), (0, 3));
        assert!(blocks.take(1));
        assert_eq!(blocks.find([key(1)].into_iter()), (0, 0), "block 1 was evicted first");
        assert_eq!(blocks.find([key(0), key(2), key(1)].into_iter()), (2, 2));
        blocks.hold(key(0));
        assert!(!blocks.take(2) && blocks.take(1));
        assert_eq!(blocks.find([key(0)].into_iter()), (1, 0), "a held block stays");
    }

    #[test]
    fn what_nobody_holds_can_be_forgotten() {
        let mut blocks = Blocks::new(2);
        assert!(blocks.take(2) && blocks.publish(key(0)) && blocks.publish(key(1)));
        blocks.release(key(0));
        blocks.forget();
        assert_eq!((blocks.in_use(), blocks.idle(), blocks.room()), (1, 0, 1));
        assert_eq!(blocks.find([key(0)].into_iter()), (0, 0));
        assert_eq!(blocks.find([key(1)].into_iter()), (1, 0), "a held block stays");
    }

    #[test]
    fn the_same_content_is_kept_once() {
        let mut blocks = Blocks::new(2);
        assert!(blocks.take(2));
        assert!(blocks.publish(key(7)) && !blocks.publish(key(7)));
        blocks.give_back(1);
        blocks.release(key(7));
        assert_eq!((blocks.in_use(), blocks.idle()), (0, 1));
    }
}
