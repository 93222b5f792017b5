//! The divisions, and how the units are spread over the townships.

/// `code,name,level,parent_code,kind,residents_committees,village_committees`.
const DIVISIONS: &str = include_str!("../../data/divisions-shandong.csv");

/// A row of the table of divisions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Division {
    pub code: &'static str,
    pub name: &'static str,
    pub level: &'static str,
    pub parent: &'static str,
    pub kind: &'static str,
    residents: u64,
    villages: u64,
}

/// All divisions, and the places where enterprises are registered.
pub(super) struct Territory {
    divisions: Vec<Division>,
    pub places: Vec<Place>,
    /// Codes of all counties.
    pub counties: Vec<&'static str>,
}

/// A township, or a county without any.
pub(super) struct Place {
    pub code: &'static str,
    pub county: &'static str,
    pub county_name: &'static str,
    pub weight: u64,
}

/// Cities with more industry and trade than their committees tell: weight in tenths.
const CITIES: [(&str, u64); 6] =
    [("3701", 20), ("3702", 22), ("3706", 14), ("3707", 14), ("3713", 15), ("3708", 11)];

impl Territory {
    pub fn new() -> Self {
        let rows = DIVISIONS.lines().skip(1).filter_map(|line| {
            let mut fields = line.split(',');
            let mut next = || fields.next();
            Some(Division {
                code: next()?,
                name: next()?,
                level: next()?,
                parent: next()?,
                kind: next()?,
                residents: next()?.parse().unwrap_or(0),
                villages: next()?.parse().unwrap_or(0),
            })
        });
        let divisions: Vec<Division> = rows.collect();
        let mut places = Vec::new();
        let counties = || divisions.iter().filter(|d| d.level == "county");
        for county in counties() {
            let first = places.len();
            let own = divisions.iter().filter(|d| d.level == "township" && d.parent == county.code);
            places.extend(own.map(|d| Place {
                code: d.code,
                county: county.code,
                county_name: county.name,
                weight: weight(d),
            }));
            if places.len() == first {
                let (code, county_name) = (county.code, county.name);
                places.push(Place { code, county: code, county_name, weight: 1_500 });
            }
        }
        let mut territory =
            Territory { counties: counties().map(|d| d.code).collect(), divisions, places };
        territory.raise_small_counties();
        territory
    }

    pub fn divisions(&self) -> impl Iterator<Item = Division> {
        self.divisions.iter().copied()
    }

    /// No county has less than 45 % of the mean: each has its markets and workshops.
    fn raise_small_counties(&mut self) {
        let whole: u64 = self.places.iter().map(|place| place.weight).sum();
        let least = whole * 45 / 100 / self.counties.len() as u64;
        for own in self.places.chunk_by_mut(|a, b| a.county == b.county) {
            let sum: u64 = own.iter().map(|place| place.weight).sum();
            if sum < least {
                for place in own {
                    place.weight = (place.weight * least).div_ceil(sum);
                }
            }
        }
    }

    /// Shares `units` out over the places in proportion to their weights, by largest remainder,
    /// ties in the order of codes.
    pub fn shares(&self, units: u64) -> Vec<u64> {
        let whole: u64 = self.places.iter().map(|place| place.weight).sum();
        let mut shares: Vec<u64> =
            self.places.iter().map(|place| units * place.weight / whole).collect();
        let mut order: Vec<usize> = (0..shares.len()).collect();
        order.sort_by_key(|i| (std::cmp::Reverse(units * self.places[*i].weight % whole), *i));
        let missing = units - shares.iter().sum::<u64>();
        for place in order.into_iter().take(missing as usize) {
            shares[place] += 1;
        }
        shares
    }
}

fn weight(d: &Division) -> u64 {
    let city = CITIES.iter().find(|(code, _)| d.code.starts_with(code)).map_or(10, |(_, w)| *w);
    let size = 20 + d.residents.min(60) * 7 + d.villages.min(80) * 2;
    let kind = if d.kind == "subdistrict" { 15 } else { 10 };
    size * city * kind
}
