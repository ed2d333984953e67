//! Where in a document it is, as bytes, for the time until more of it comes.

use super::{Amid, At, DEPTH_MAX, Json, Level, Next};
use crate::stream::{Reader, Writer};
use crate::text::Progress;

const ATS: [At; 15] = [
    At::Beginning,
    At::FirstKey,
    At::Key,
    At::Colon,
    At::FirstElement,
    At::Element,
    At::Value,
    At::After,
    At::AmidKey,
    At::AmidString(Amid::Plain),
    At::AmidString(Amid::Searched),
    At::AmidString(Amid::Masked),
    At::AmidNumber(Amid::Plain),
    At::AmidNumber(Amid::Searched),
    At::AmidNumber(Amid::Masked),
];

impl Json {
    pub(crate) fn save(&self, to: &mut Writer) {
        to.number(ATS.iter().position(|at| *at == self.at).unwrap_or_default() as u64);
        to.flags([self.many, self.owes_comma]);
        to.option(self.next.rule.map(|rule| rule as u64));
        to.number(self.next.active);
        to.option(self.masked.map(|(rule, _)| rule as u64));
        to.number(self.masked.map_or(0, |(_, least)| least as u64));
        to.option(self.removed.map(|depth| depth as u64));
        self.progress.save(to);
        to.number(self.levels.len() as u64);
        for level in &self.levels {
            to.flags([level.is_object, level.has_members]);
            to.number(u64::from(level.index));
            to.number(level.active);
        }
    }

    pub(crate) fn restore(from: &mut Reader<'_>) -> Option<Self> {
        let at = *ATS.get(from.size()?)?;
        let [many, owes_comma] = from.flags()?;
        let next = Next { rule: from.option()?, active: from.number()? };
        let (rule, least) = (from.option()?, from.size()?);
        let removed = from.option()?;
        let progress = Progress::restore(from)?;
        let depth = from.size().filter(|depth| *depth <= DEPTH_MAX)?;
        let levels = (0..depth).map(|_| {
            let [is_object, has_members] = from.flags()?;
            Some(Level { is_object, has_members, index: u32::try_from(from.number()?).ok()?, active: from.number()? })
        });
        let levels = levels.collect::<Option<_>>()?;
        let masked = rule.map(|rule| (rule, least));
        Some(Self { at, levels, next, masked, removed, owes_comma, progress, many })
    }
}

impl Progress {
    pub(crate) fn save(self, to: &mut Writer) {
        to.number(u64::from(self.before));
        to.flags([self.in_token, false]);
    }

    pub(crate) fn restore(from: &mut Reader<'_>) -> Option<Self> {
        let before = u8::try_from(from.number()?).ok()?;
        let [in_token, _] = from.flags()?;
        Some(Self { before, in_token })
    }
}
