//! A revision out of its bytes, refusing all that no import could have made, so that no later
//! room meets a number that names nothing.

use crate::model::{
    Area, Channel, ChannelSet, Date, DecodeError, DivisionCode, IdScheme, Level, Reader, Status,
    Symbol, Symbols, TextColumn, check_id, check_uscc,
};

use super::encode::{MAGIC, date_number};
use super::push::digits_above;
use super::tables::{
    Division, Enterprises, HistoryRow, Item, Product, Registry, Standard, Supply, TierRow,
};

type Decoded<T> = Result<T, DecodeError>;

impl Registry {
    /// Reads the bytes of [`Registry::encode`].
    ///
    /// # Errors
    /// For bytes that no revision has.
    pub fn decode(bytes: &[u8]) -> Result<Registry, DecodeError> {
        let mut reader = Reader::new(bytes, MAGIC)?;
        let r = &mut reader;
        let id_scheme = match r.byte()? {
            0 => IdScheme::Uscc,
            1 => IdScheme::Opaque,
            _ => return Err(r.error("an id scheme that is none")),
        };
        let texts = r.texts()?;
        if !is_ascending(&texts) || texts.iter().next().is_some_and(str::is_empty) {
            return Err(r.error("symbols out of order"));
        }
        let symbols = Symbols::new(texts.iter());
        let divisions = read_divisions(r)?;
        let products = read_list(r, 14, read_product)?;
        if products.is_empty() || !products.is_sorted_by(|a, b| a.id < b.id) {
            return Err(r.error("products out of order"));
        }
        let enterprises = read_enterprises(r, id_scheme, &divisions, symbols.len())?;
        let limits = Limits {
            enterprises: enterprises.len(),
            products: products.len(),
            symbols: symbols.len(),
        };
        let supply = read_supply(r, &limits, &divisions)?;
        let tiers = read_tiers(r, &limits)?;
        let history = read_history(r, &limits)?;
        let registry = Registry {
            id_scheme,
            divisions,
            products,
            enterprises,
            supply,
            tiers,
            history,
            symbols,
        };
        if !all_symbols_used(&registry) {
            return Err(r.error("a symbol that nothing names"));
        }
        reader.finish()?;
        Ok(registry)
    }
}

/// How many rows there are to be named.
struct Limits {
    enterprises: usize,
    products: usize,
    symbols: usize,
}

fn read_list<'a, T>(
    r: &mut Reader<'a>,
    bytes_each: usize,
    mut read: impl FnMut(&mut Reader<'a>) -> Decoded<T>,
) -> Decoded<Vec<T>> {
    let count = r.count(bytes_each)?;
    (0..count).map(|_| read(r)).collect()
}

fn is_ascending(column: &TextColumn) -> bool {
    (1..column.len()).all(|row| column.get(row - 1) < column.get(row))
}

/// A column of numbers, of a known length and each below `limit`.
fn column(r: &mut Reader<'_>, rows: usize, limit: usize) -> Decoded<Vec<u32>> {
    let values = r.u32s()?;
    if values.len() != rows {
        return Err(r.error("columns of different lengths"));
    }
    if values.iter().any(|value| *value as usize >= limit) {
        return Err(r.error("a number that names nothing"));
    }
    Ok(values)
}

/// A column of any numbers, of a known length.
fn numbers(r: &mut Reader<'_>, rows: usize) -> Decoded<Vec<u32>> {
    let values = r.u32s()?;
    if values.len() == rows { Ok(values) } else { Err(r.error("columns of different lengths")) }
}

fn symbol_column(r: &mut Reader<'_>, rows: usize, limit: usize) -> Decoded<Vec<Symbol>> {
    Ok(column(r, rows, limit)?.into_iter().map(Symbol).collect())
}

/// A column of words of a closed vocabulary, a byte each.
fn terms<T: Copy>(r: &mut Reader<'_>, rows: usize, all: &[T]) -> Decoded<Vec<T>> {
    let bytes = r.raw(rows)?;
    let terms = bytes.iter().map(|byte| all.get(usize::from(*byte)).copied());
    terms.collect::<Option<_>>().ok_or(r.error("a word that is none"))
}

/// The code of a number, which was one by [`DivisionCode::value`].
fn code_of(number: u32) -> Option<DivisionCode> {
    // Nine digits at most; longer numbers are no codes.
    let mut digits = [0; 10];
    let mut at = digits.len();
    let mut rest = number;
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    std::str::from_utf8(&digits[at..]).ok()?.parse().ok()
}

/// Codes, 0 for none.
fn codes(r: &Reader<'_>, numbers: &[u32]) -> Decoded<Vec<Option<DivisionCode>>> {
    let code = |number: &u32| match *number {
        0 => Some(None),
        number => code_of(number).map(Some),
    };
    let codes = numbers.iter().map(code);
    codes.collect::<Option<_>>().ok_or(r.error("a division code that is none"))
}

/// The date of a number, which was one by [`date_number`].
fn date_of(number: u32) -> Option<Date> {
    let year = i16::try_from(i64::from(number / 10_000) - 10_000).ok()?;
    let month = i8::try_from(number / 100 % 100).ok()?;
    let day = i8::try_from(number % 100).ok()?;
    Date::new(year, month, day).ok().filter(|date| date_number(*date) == number)
}

fn date(r: &Reader<'_>, number: u32) -> Decoded<Date> {
    date_of(number).ok_or(r.error("a date that is none"))
}

fn read_divisions(r: &mut Reader<'_>) -> Decoded<Vec<Division>> {
    let divisions = read_list(r, 3, |r| {
        let number = u32::try_from(r.uint()?).ok();
        let code = number.and_then(code_of).ok_or(r.error("a division code that is none"))?;
        Ok(Division {
            code,
            name: r.text()?.to_owned(),
            parent: digits_above(code.digits()).and_then(|digits| code.cut(digits)),
            kind: r.text()?.to_owned(),
        })
    })?;
    let known = |code| divisions.binary_search_by_key(&code, |d| d.code).is_ok();
    let fits = divisions.first().is_some_and(|first| first.parent.is_none())
        && divisions.is_sorted_by(|a, b| a.code < b.code)
        && divisions.iter().skip(1).all(|division| division.parent.is_some_and(known));
    if fits { Ok(divisions) } else { Err(r.error("divisions that don't fit together")) }
}

/// Reads a product as [`super::write_product`] writes it.
pub(crate) fn read_product(r: &mut Reader<'_>) -> Decoded<Product> {
    let mut text = || r.text().map(str::to_owned);
    let (id, name, name_en, category) = (text()?, text()?, text()?, text()?);
    let (key_group, risk, quantity_unit) = (text()?, text()?, text()?);
    if check_id(&id).is_err() {
        return Err(r.error("a product id that is none"));
    }
    let bits = r.byte()?;
    let flag = |i: u8| bits >> i & 1 == 1;
    let levels = [flag(3), flag(4), flag(5)];
    if bits >= 64 || levels == [false; 3] {
        return Err(r.error("flags that no product has"));
    }
    let channels = ChannelSet::from_bits(r.byte()?).filter(|channels| !channels.is_empty());
    let channels = channels.ok_or(r.error("channels that no product has"))?;
    let quantity = |r: &mut Reader<'_>| {
        let value = r.uint()?;
        u32::try_from(value).map_err(|_| r.error("a quantity out of range"))
    };
    let (test_quantity, reserve_quantity) = (quantity(r)?, quantity(r)?);
    let marked = |r: &mut Reader<'_>| {
        read_list(r, 2, |r| {
            let text = r.text()?.to_owned();
            match r.byte()? {
                0 => Ok((text, false)),
                1 => Ok((text, true)),
                _ => Err(r.error("a mark that is none")),
            }
        })
    };
    let standards = marked(r)?.into_iter();
    let items = marked(r)?.into_iter();
    let attributes = read_list(r, 2, |r| Ok((r.text()?.to_owned(), r.text()?.to_owned())))?;
    if !attributes.is_sorted_by(|a, b| a.0 < b.0) || attributes.iter().any(|a| a.1.is_empty()) {
        return Err(r.error("attributes out of order"));
    }
    Ok(Product {
        id,
        name,
        name_en,
        category,
        key: flag(0),
        key_group,
        risk,
        licence: flag(1),
        ccc: flag(2),
        standards: standards.map(|(code, mandatory)| Standard { code, mandatory }).collect(),
        items: items.map(|(name, safety)| Item { name, safety }).collect(),
        test_quantity,
        reserve_quantity,
        quantity_unit,
        channels,
        levels,
        attributes,
    })
}

fn read_enterprises(
    r: &mut Reader<'_>,
    scheme: IdScheme,
    divisions: &[Division],
    symbols: usize,
) -> Decoded<Enterprises> {
    let ids = r.texts()?;
    let rows = ids.len();
    let is_id = |id: &str| match scheme {
        IdScheme::Uscc => check_uscc(id).is_ok(),
        IdScheme::Opaque => check_id(id).is_ok(),
    };
    if rows == 0 || !is_ascending(&ids) || !ids.iter().all(is_id) {
        return Err(r.error("enterprise ids out of order"));
    }
    let names = r.texts()?;
    if names.len() != rows {
        return Err(r.error("columns of different lengths"));
    }
    let status = terms(r, rows, Status::ALL)?;
    let numbers = numbers(r, rows)?;
    let mut division = Vec::with_capacity(rows);
    let known = |code| divisions.binary_search_by_key(&code, |d| d.code).is_ok();
    for number in numbers {
        let code = code_of(number).filter(|code| code.digits() >= 6 && known(*code));
        division.push(code.ok_or(r.error("an enterprise in a division that is none"))?);
    }
    let mut table = Enterprises {
        ids,
        names,
        status,
        division,
        area: terms(r, rows, Area::ALL)?,
        credit_class: symbol_column(r, rows, symbols)?,
        cluster: symbol_column(r, rows, symbols)?,
        accidents: self::numbers(r, rows)?,
        attributes: Vec::new(),
    };
    table.attributes =
        read_list(r, 2, |r| Ok((r.text()?.to_owned(), symbol_column(r, rows, symbols)?)))?;
    let empty = |column: &[Symbol]| column.iter().all(|symbol| *symbol == Symbol::EMPTY);
    if !table.attributes.is_sorted_by(|a, b| a.0 < b.0)
        || table.attributes.iter().any(|(_, column)| empty(column))
    {
        return Err(r.error("attributes out of order"));
    }
    Ok(table)
}

fn read_supply(
    r: &mut Reader<'_>,
    limits: &Limits,
    divisions: &[Division],
) -> Decoded<Vec<Supply>> {
    let enterprise = r.u32s()?;
    let rows = enterprise.len();
    if rows == 0 || enterprise.iter().any(|value| *value as usize >= limits.enterprises) {
        return Err(r.error("a number that names nothing"));
    }
    let product = column(r, rows, limits.products)?;
    let channel = terms(r, rows, Channel::ALL)?;
    let platform = column(r, rows, limits.symbols)?;
    let sale_numbers = numbers(r, rows)?;
    let sale = codes(r, &sale_numbers)?;
    let supply: Vec<Supply> = (0..rows)
        .map(|row| Supply {
            enterprise: enterprise[row],
            product: product[row],
            channel: channel[row],
            platform: Symbol(platform[row]),
            sale_division: sale[row],
        })
        .collect();
    if !supply.is_sorted_by(|a, b| a < b) {
        return Err(r.error("supply out of order"));
    }
    let province = divisions[0].code;
    let known = |code| divisions.binary_search_by_key(&code, |d| d.code).is_ok();
    for row in &supply {
        if row.platform != Symbol::EMPTY && row.channel != Channel::Online {
            return Err(r.error("a platform that is not online"));
        }
        if row.sale_division.is_some_and(|code| code.is_within(province) && !known(code)) {
            return Err(r.error("a place of sale that is none"));
        }
    }
    Ok(supply)
}

fn read_tiers(r: &mut Reader<'_>, limits: &Limits) -> Decoded<Vec<TierRow>> {
    let enterprise = r.u32s()?;
    let rows = enterprise.len();
    if enterprise.iter().any(|value| *value as usize >= limits.enterprises) {
        return Err(r.error("a number that names nothing"));
    }
    let product = column(r, rows, limits.products + 1)?;
    let valid_from = numbers(r, rows)?;
    let tier = column(r, rows, limits.symbols)?;
    let mut tiers = Vec::with_capacity(rows);
    for row in 0..rows {
        if tier[row] == Symbol::EMPTY.0 {
            return Err(r.error("a tier that is empty"));
        }
        let valid_from = valid_from[row];
        tiers.push(TierRow {
            enterprise: enterprise[row],
            product: product[row].checked_sub(1),
            valid_from: if valid_from == 0 { None } else { Some(date(r, valid_from)?) },
            tier: Symbol(tier[row]),
        });
    }
    let key = |row: &TierRow| (row.enterprise, row.product, row.valid_from);
    if !tiers.is_sorted_by(|a, b| key(a) < key(b)) {
        return Err(r.error("tiers out of order"));
    }
    Ok(tiers)
}

fn read_history(r: &mut Reader<'_>, limits: &Limits) -> Decoded<Vec<HistoryRow>> {
    let enterprise = r.u32s()?;
    let rows = enterprise.len();
    if enterprise.iter().any(|value| *value as usize >= limits.enterprises) {
        return Err(r.error("a number that names nothing"));
    }
    let product = column(r, rows, limits.products)?;
    let sampled_on = numbers(r, rows)?;
    let level = terms(r, rows, Level::ALL)?;
    let authority = numbers(r, rows)?;
    let authority = codes(r, &authority)?;
    let outcome = column(r, rows, limits.symbols)?;
    let mut history = Vec::with_capacity(rows);
    for row in 0..rows {
        history.push(HistoryRow {
            enterprise: enterprise[row],
            product: product[row],
            sampled_on: date(r, sampled_on[row])?,
            level: level[row],
            authority: authority[row],
            outcome: Symbol(outcome[row]),
        });
    }
    if history.is_sorted_by(|a, b| a < b) {
        Ok(history)
    } else {
        Err(r.error("history out of order"))
    }
}

fn all_symbols_used(registry: &Registry) -> bool {
    let mut used = vec![false; registry.symbols.len()];
    used[0] = true;
    let table = &registry.enterprises;
    let attributes = table.attributes.iter().flat_map(|(_, column)| column);
    let symbols = table.credit_class.iter().chain(&table.cluster).chain(attributes);
    let links = registry.supply.iter().map(|row| &row.platform);
    let links = links.chain(registry.tiers.iter().map(|row| &row.tier));
    let links = links.chain(registry.history.iter().map(|row| &row.outcome));
    for symbol in symbols.chain(links) {
        used[symbol.0 as usize] = true;
    }
    used.into_iter().all(|used| used)
}
