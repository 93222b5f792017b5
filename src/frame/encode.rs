//! The frame's bytes: what a store keeps.

use crate::model::{
    Area, Channel, ChannelSet, DecodeError, Digest, DivisionCode, Reader, Symbol, Symbols, Writer,
    parse_date,
};
use crate::registry::{read_product, write_product};

use super::{Cells, Exclusions, Frame, SaleOption};

const MAGIC: &str = "spotcheck/frame/2";

impl Frame {
    /// The frame's digest, as [`Frame::roll`] makes it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.roll(&Digest::of(&self.encode()), 2).digest
    }

    /// The frame's canonical bytes: what a store keeps. The digest of a frame is not that of these
    /// bytes but the root of a tree, so that parts can be shown; see [`Frame::roll`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new(MAGIC);
        w.text(self.hash.as_str());
        w.raw(&self.registry_digest.0);
        w.raw(&self.policy_digest.0);
        w.text(&self.as_of.to_string());
        w.uint(self.divisions.len() as u64);
        for (code, name) in &self.divisions {
            w.text(&code.to_string());
            w.text(name);
        }
        w.uint(self.products.len() as u64);
        for product in &self.products {
            write_product(&mut w, product);
        }
        for symbols in [&self.tiers, &self.clusters, &self.platforms] {
            write_symbols(&mut w, symbols);
        }
        w.uint(self.attributes.len() as u64);
        for (name, symbols) in &self.attributes {
            w.text(name);
            write_symbols(&mut w, symbols);
        }
        w.uint(self.options.len() as u64);
        for list in &self.options {
            w.uint(list.len() as u64);
            for option in list {
                w.byte(option.channel as u8);
                w.uint(u64::from(option.platform.0));
                w.text(&option.sale_division.map(|c| c.to_string()).unwrap_or_default());
            }
        }
        w.texts(&self.enterprise_ids);
        w.texts(&self.enterprise_names);
        write_cells(&mut w, &self.cells);
        w.u32s(&self.unit_start);
        w.u32s(&self.unit_enterprise);
        w.u32s(&self.unit_options);
        w.texts(&self.exclusions.enterprise);
        w.texts(&self.exclusions.product);
        w.u32s(&self.exclusions.county);
        w.u32s(&self.exclusions.reason);
        w.uint(self.exclusions.reasons.len() as u64);
        for reason in &self.exclusions.reasons {
            w.text(reason);
        }
        w.uint(self.quality.len() as u64);
        for (what, count) in &self.quality {
            w.text(what);
            w.uint(*count);
        }
        w.finish()
    }

    /// Reads the bytes of [`Frame::encode`].
    ///
    /// # Errors
    /// For bytes that no frame has.
    pub fn decode(bytes: &[u8]) -> Result<Frame, DecodeError> {
        let r = &mut Reader::new(bytes, MAGIC)?;
        let hash = r.text()?.parse().map_err(|()| r.error("a hash that is none"))?;
        let registry_digest = read_digest(r)?;
        let policy_digest = read_digest(r)?;
        let as_of = parse_date(r.text()?).ok_or(r.error("a date that is none"))?;
        let divisions = read_list(r, 2, |r| Ok((read_code(r)?, r.text()?.to_owned())))?;
        if divisions.first().is_none_or(|(code, _)| code.digits() != 2)
            || !divisions.is_sorted_by(|a, b| a.0 < b.0)
        {
            return Err(r.error("divisions out of order"));
        }
        let counties = divisions.iter().map(|(c, _)| *c).filter(|c| c.digits() == 6).collect();
        let products = read_list(r, 14, read_product)?;
        let tiers = read_symbols(r)?;
        let clusters = read_symbols(r)?;
        let platforms = read_symbols(r)?;
        let attributes = read_list(r, 2, |r| Ok((r.text()?.to_owned(), read_symbols(r)?)))?;
        let options = read_list(r, 1, |r| read_list(r, 3, |r| read_option(r, &platforms)))?;
        let mut frame = Frame {
            hash,
            registry_digest,
            policy_digest,
            as_of,
            divisions,
            counties,
            products,
            tiers,
            clusters,
            attributes,
            platforms,
            options,
            enterprise_ids: r.texts()?,
            enterprise_names: r.texts()?,
            cells: Cells::default(),
            unit_start: Vec::new(),
            unit_enterprise: Vec::new(),
            unit_options: Vec::new(),
            exclusions: Exclusions::default(),
            quality: Vec::new(),
        };
        frame.cells = read_cells(r, &frame)?;
        frame.unit_start = r.u32s()?;
        frame.unit_enterprise = r.u32s()?;
        frame.unit_options = r.u32s()?;
        frame.check_units().map_err(|what| r.error(what))?;
        frame.exclusions = Exclusions {
            enterprise: r.texts()?,
            product: r.texts()?,
            county: r.u32s()?,
            reason: r.u32s()?,
            reasons: read_list(r, 1, |r| Ok(r.text()?.to_owned()))?,
        };
        let e = &frame.exclusions;
        if e.enterprise.len() != e.reason.len()
            || e.product.len() != e.reason.len()
            || e.county.len() != e.reason.len()
            || e.county.iter().any(|county| *county as usize > frame.counties.len())
            || e.reason.iter().any(|reason| *reason as usize >= e.reasons.len())
        {
            return Err(r.error("exclusions that don't fit together"));
        }
        frame.quality = read_list(r, 2, |r| Ok((r.text()?.to_owned(), r.uint()?)))?;
        let rest = std::mem::replace(r, Reader::new(bytes, MAGIC)?);
        rest.finish()?;
        Ok(frame)
    }

    fn check_units(&self) -> Result<(), &'static str> {
        let units = self.unit_enterprise.len();
        let below = |column: &[u32], limit: usize| column.iter().all(|v| (*v as usize) < limit);
        if self.unit_start.len() != self.cells.len() + 1
            || self.unit_start[0] != 0
            || !self.unit_start.is_sorted_by(|a, b| a < b)
            || *self.unit_start.last().unwrap_or(&0) as usize != units
        {
            return Err("cells and units that don't fit together");
        }
        if self.unit_options.len() != units
            || self.enterprise_names.len() != self.enterprise_ids.len()
            || !below(&self.unit_enterprise, self.enterprise_ids.len())
            || !below(&self.unit_options, self.options.len())
        {
            return Err("a unit that names nothing");
        }
        let offered: Vec<ChannelSet> =
            self.options.iter().map(|list| list.iter().map(|o| o.channel).collect()).collect();
        for cell in 0..self.cells.len() {
            let drawn = self.cells.channels[cell].iter().flat_map(|set| set.iter());
            let drawn: ChannelSet = drawn.collect();
            let units = self.unit_start[cell] as usize..self.unit_start[cell + 1] as usize;
            if self.unit_options[units].iter().any(|o| offered[*o as usize].and(drawn) != drawn) {
                return Err("a unit that lacks a channel of its cell");
            }
        }
        Ok(())
    }
}

fn read_list<'a, T>(
    r: &mut Reader<'a>,
    bytes_each: usize,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let count = r.count(bytes_each)?;
    (0..count).map(|_| read(r)).collect()
}

fn read_digest(r: &mut Reader<'_>) -> Result<Digest, DecodeError> {
    let bytes = r.raw(32)?;
    let bytes = bytes.try_into().map_err(|_| r.error("a digest that is none"))?;
    Ok(Digest(bytes))
}

fn read_code(r: &mut Reader<'_>) -> Result<DivisionCode, DecodeError> {
    r.text()?.parse().map_err(|_| r.error("a division code that is none"))
}

fn write_symbols(w: &mut Writer, symbols: &Symbols) {
    w.uint(symbols.len() as u64 - 1);
    for text in symbols.iter().skip(1) {
        w.text(text);
    }
}

fn read_symbols(r: &mut Reader<'_>) -> Result<Symbols, DecodeError> {
    let texts = read_list(r, 1, |r| r.text())?;
    if !texts.is_sorted_by(|a, b| a < b) || texts.first().is_some_and(|text| text.is_empty()) {
        return Err(r.error("symbols out of order"));
    }
    Ok(Symbols::new(texts))
}

fn read_option(r: &mut Reader<'_>, platforms: &Symbols) -> Result<SaleOption, DecodeError> {
    let channel = r.byte()?;
    let channel =
        *Channel::ALL.get(usize::from(channel)).ok_or(r.error("a channel that is none"))?;
    let platform = Symbol(r.below(platforms.len(), "a platform that is none")? as u32);
    let sale_division = match r.text()? {
        "" => None,
        text => Some(text.parse().map_err(|_| r.error("a division code that is none"))?),
    };
    Ok(SaleOption { channel, platform, sale_division })
}

fn symbol_numbers(symbols: &[Symbol]) -> Vec<u32> {
    symbols.iter().map(|symbol| symbol.0).collect()
}

fn write_cells(w: &mut Writer, cells: &Cells) {
    w.uint(cells.len() as u64);
    w.u32s(&cells.county);
    w.u32s(&cells.product);
    w.u32s(&symbol_numbers(&cells.tier));
    w.u32s(&symbol_numbers(&cells.cluster));
    w.u64s(&cells.weight);
    for cell in 0..cells.len() {
        let flags = [cells.area[cell] == Area::Rural, cells.accident[cell], cells.certain[cell]];
        w.byte(flags.iter().enumerate().map(|(i, flag)| u8::from(*flag) << i).sum());
        w.byte(cells.first_wave[cell]);
        for set in cells.channels[cell] {
            w.byte(set.bits());
        }
    }
    for column in &cells.attributes {
        w.u32s(&symbol_numbers(column));
    }
}

fn read_cells(r: &mut Reader<'_>, frame: &Frame) -> Result<Cells, DecodeError> {
    let count = r.count(5)?;
    let column = |r: &mut Reader<'_>, limit: usize| {
        let values = r.u32s()?;
        if values.len() == count && values.iter().all(|value| (*value as usize) < limit) {
            Ok(values)
        } else {
            Err(r.error("a cell that names nothing"))
        }
    };
    let symbols = |values: Vec<u32>| values.into_iter().map(Symbol).collect::<Vec<_>>();
    let mut cells = Cells {
        county: column(r, frame.counties.len())?,
        product: column(r, frame.products.len())?,
        tier: symbols(column(r, frame.tiers.len())?),
        cluster: symbols(column(r, frame.clusters.len())?),
        weight: r.u64s()?,
        ..Cells::default()
    };
    let weights = 1..=crate::policy::WEIGHT_MAX;
    if cells.weight.len() != count || cells.weight.iter().any(|weight| !weights.contains(weight)) {
        return Err(r.error("a weight out of range"));
    }
    for _ in 0..count {
        let flags = r.byte()?;
        if flags >= 8 {
            return Err(r.error("a flag that is none"));
        }
        cells.area.push(if flags & 1 == 1 { Area::Rural } else { Area::Urban });
        cells.accident.push(flags & 2 != 0);
        cells.certain.push(flags & 4 != 0);
        cells.first_wave.push(r.byte()?);
        let mut sets = [ChannelSet::EMPTY; 3];
        for set in &mut sets {
            let bits = r.byte()?;
            *set = ChannelSet::from_bits(bits).ok_or(r.error("a channel that is none"))?;
        }
        if sets.iter().all(|set| set.is_empty()) {
            return Err(r.error("a cell that no level can draw"));
        }
        cells.channels.push(sets);
    }
    for (_, values) in &frame.attributes {
        cells.attributes.push(symbols(column(r, values.len())?));
    }
    if (1..count).any(|cell| cells.key(cell - 1) >= cells.key(cell)) {
        return Err(r.error("cells out of order"));
    }
    Ok(cells)
}
