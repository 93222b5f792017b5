//! A small registry as text, and the way from it to a plan.
#![allow(dead_code, reason = "each test file uses its own part")]

use spotcheck::draw::SeedSource;
use spotcheck::frame::Frame;
use spotcheck::model::{Digest, IdScheme, Work};
use spotcheck::plan::{Document, MakeError, make};
use spotcheck::policy::Policy;
use spotcheck::registry::{Import, Mode, Registry, Table, read_csv};

/// CSV texts of a registry with opaque ids.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    pub divisions: String,
    pub products: String,
    pub enterprises: String,
    pub supply: String,
    pub tiers: String,
    pub history: String,
}

impl Tables {
    /// One province, two cities, so many counties in each.
    pub fn province(counties: usize) -> Self {
        let mut divisions = "code,name,level,parent_code,kind\n37,P,province,,\n".to_owned();
        for city in 1..=2 {
            divisions += &format!("370{city},C{city},city,37,\n");
            for county in 1..=counties {
                divisions +=
                    &format!("370{city}{county:02},D{city}{county},county,370{city},district\n");
            }
        }
        Tables {
            divisions,
            products: "product_id,name,category,key,key_group,risk,channels,levels\n".into(),
            enterprises: "enterprise_id,name,status,division,area,credit_class,cluster,accidents\n"
                .into(),
            supply: "enterprise_id,product_id,channel\n".into(),
            ..Tables::default()
        }
    }

    pub fn product(&mut self, id: &str, key: bool) {
        let group = if key { "g" } else { "" };
        self.products += &format!("{id},{id},c/{id},{key},{group},low,,\n");
    }

    pub fn enterprise(&mut self, id: &str, county: &str, area: &str, class: &str) {
        self.enterprises += &format!("{id},{id},active,{county},{area},{class},,0\n");
    }

    pub fn supply(&mut self, enterprise: &str, product: &str, channel: &str) {
        self.supply += &format!("{enterprise},{product},{channel}\n");
    }

    pub fn registry(&self) -> Registry {
        let mut import = Import::new(IdScheme::Opaque, Mode::Replace);
        let texts = [
            (Table::Divisions, &self.divisions),
            (Table::Products, &self.products),
            (Table::Enterprises, &self.enterprises),
            (Table::Supply, &self.supply),
            (Table::Tiers, &self.tiers),
            (Table::History, &self.history),
        ];
        for (table, text) in texts {
            if !text.is_empty() {
                read_csv(table, text.as_bytes(), &mut import).unwrap();
            }
        }
        import.finish(None).unwrap_or_else(|report| panic!("{report}")).0
    }
}

/// The policy of a text.
pub fn policy(text: &str) -> Policy {
    Policy::from_toml(text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The frame of a registry and a policy, with its digest.
pub fn frame(registry: &Registry, policy: &Policy) -> (Frame, Digest) {
    let frame = Frame::freeze(registry, registry.digest(), policy).unwrap();
    let digest = frame.digest();
    (frame, digest)
}

/// The plan of a registry, a policy and a seed.
pub fn plan(registry: &Registry, policy: &Policy, seed: &str) -> Result<Document, MakeError> {
    let (frame, digest) = frame(registry, policy);
    make(&frame, &digest, policy, &SeedSource::Text(seed.to_owned()), &Work::unwatched(2))
}

/// The head of a policy with a budget at the province alone.
pub fn head(batches: u64) -> String {
    format!(
        "id = \"t\"\nmethod = \"m1\"\nas_of = \"2025-12-15\"\n\
         period = {{ from = \"2026-01-01\", to = \"2026-12-31\" }}\n\
         [budget]\nprovince = {{ total = {batches} }}\n"
    )
}

/// The registry of a generated province.
pub fn province(units: u64, seed: u64) -> Registry {
    use spotcheck::generate::{File, Options, generate};
    let dir = tempfile::tempdir().unwrap();
    let path = |file: File| dir.path().join(file.file_name());
    generate(&Options { units, seed }, |file| std::fs::File::create(path(file))).unwrap();
    let mut import = Import::new(IdScheme::Uscc, Mode::Replace);
    for (file, table) in File::ALL.into_iter().zip(Table::ALL) {
        read_csv(table, std::fs::File::open(path(file)).unwrap(), &mut import).unwrap();
    }
    import.finish(None).unwrap_or_else(|report| panic!("{report}")).0
}

/// A policy of `examples/`.
pub fn example(name: &str) -> Policy {
    let path = format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"));
    policy(&std::fs::read_to_string(path).unwrap())
}
