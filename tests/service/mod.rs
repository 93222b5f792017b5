//! A server on a real socket, clients of it, and rows to send.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::Path;
use std::sync::Arc;

use spotcheck::policy::Draft;
use spotcheck::registry::{AnyInput, Mode, Table, read_rows};
use spotcheck::service::v1;
use spotcheck::service::v1::frame_service_client::FrameServiceClient;
use spotcheck::service::v1::import_request::Part;
use spotcheck::service::v1::plan_service_client::PlanServiceClient;
use spotcheck::service::v1::registry_service_client::RegistryServiceClient;
use spotcheck::service::{Planner, convert, serve};
use spotcheck::store::{MemoryStore, PlanStore, SledStore};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use crate::common::Tables;

/// A running server; ends with the test's runtime at the latest.
pub struct Server {
    pub address: String,
    pub planner: Arc<Planner>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Server {
    pub async fn over(store: Arc<dyn PlanStore>) -> Self {
        let planner = Arc::new(Planner::new(store, 2).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&planner);
        let serving = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            serve(listener, shared, shutdown).await.unwrap();
        });
        Server { address, planner, stop, serving }
    }

    pub async fn in_memory() -> Self {
        Server::over(Arc::new(MemoryStore::new())).await
    }

    pub async fn on_disk(dir: &Path) -> Self {
        Server::over(Arc::new(SledStore::open(dir).unwrap())).await
    }

    pub async fn channel(&self) -> Channel {
        Channel::from_shared(self.address.clone()).unwrap().connect().await.unwrap()
    }

    pub async fn registry(&self) -> RegistryServiceClient<Channel> {
        RegistryServiceClient::new(self.channel().await)
    }

    pub async fn frames(&self) -> FrameServiceClient<Channel> {
        FrameServiceClient::new(self.channel().await)
    }

    pub async fn plans(&self) -> PlanServiceClient<Channel> {
        PlanServiceClient::new(self.channel().await)
    }

    /// Tells the server to stop and waits for it.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        self.serving.await.unwrap();
    }
}

/// A province of 2 × 2 counties with so many enterprises, each with two products.
pub fn province(enterprises: usize) -> Tables {
    let mut tables = Tables::province(2);
    for (id, key) in [("P0", true), ("P1", false), ("P2", false)] {
        tables.product(id, key);
    }
    for number in 0..enterprises {
        let id = format!("E{number:05}");
        let county = ["370101", "370102", "370201", "370202"][number % 4];
        tables.enterprise(&id, county, ["urban", "rural"][number / 4 % 2], "A");
        tables.supply(&id, ["P0", "P1", "P2"][number % 3], "production");
        tables.supply(&id, ["P1", "P2", "P0"][number % 3], "circulation");
    }
    tables
}

/// A policy over all three levels for such a province.
pub fn policy() -> v1::Policy {
    let text = r#"
        id = "spot-2026"
        title = "年度计划"
        method = "m1"
        as_of = "2025-12-15"
        period = { from = "2026-01-01", to = "2026-12-31" }
        [budget]
        province = { total = 10 }
        city = { total = 12, split = "equal" }
        county = { total = 16, split = "units" }
        [[quota]]
        name = "key products"
        where = { key = true }
        min = "20%"
        each = ["plan", "level"]
        hardness = "legal"
        [[exclude]]
        where = { product = "P2", channel = "circulation" }
        reason = "not in shops"
        [replacements]
        per_line = 1
    "#;
    convert::policy_message(Draft::from_toml(text).unwrap())
}

pub fn header() -> v1::ImportHeader {
    v1::ImportHeader { id_scheme: v1::IdScheme::Opaque.into(), ..Default::default() }
}

pub fn part(part: Part) -> v1::ImportRequest {
    v1::ImportRequest { part: Some(part) }
}

/// The messages of an import: the header, then rows, a few to a message, then the end.
pub fn messages(header: v1::ImportHeader, tables: &Tables) -> Vec<v1::ImportRequest> {
    let mut messages = vec![part(Part::Header(header))];
    let texts = [
        (Table::Divisions, &tables.divisions),
        (Table::Products, &tables.products),
        (Table::Enterprises, &tables.enterprises),
        (Table::Supply, &tables.supply),
    ];
    for (table, text) in texts {
        let mut rows = v1::ImportRows::default();
        let mut count = 0;
        let mut sink = |number: u64, input: AnyInput<'_>| {
            add(&mut rows, number, input);
            count += 1;
            if count % 100 == 0 {
                messages.push(part(Part::Rows(std::mem::take(&mut rows))));
            }
            Ok::<(), ()>(())
        };
        read_rows(table, Mode::Replace, text.as_bytes(), &mut sink).unwrap();
        messages.push(part(Part::Rows(rows)));
    }
    let rows = messages.iter().map(|message| match &message.part {
        Some(Part::Rows(rows)) => convert::row_count(rows),
        _ => 0,
    });
    let rows = rows.sum();
    messages.push(part(Part::End(v1::ImportEnd { rows })));
    messages
}

/// Adds a row to a message.
pub fn add(rows: &mut v1::ImportRows, row: u64, input: AnyInput<'_>) {
    match input {
        AnyInput::Division(d) => rows.divisions.push(v1::DivisionRow {
            row,
            code: d.code.into(),
            name: d.name.into(),
            level: d.level.into(),
            parent_code: d.parent_code.into(),
            kind: d.kind.into(),
            delete: d.delete,
        }),
        AnyInput::Product(p) => rows.products.push(v1::ProductRow {
            row,
            product_id: p.product_id.into(),
            name: p.name.into(),
            category: p.category.into(),
            key: p.key.into(),
            key_group: p.key_group.into(),
            risk: p.risk.into(),
            standards: p.standards.into(),
            items: p.items.into(),
            test_quantity: p.test_quantity.into(),
            reserve_quantity: p.reserve_quantity.into(),
            quantity_unit: p.quantity_unit.into(),
            channels: p.channels.into(),
            levels: p.levels.into(),
            ..Default::default()
        }),
        AnyInput::Enterprise(e) => rows.enterprises.push(v1::EnterpriseRow {
            row,
            enterprise_id: e.enterprise_id.into(),
            name: e.name.into(),
            status: e.status.into(),
            division: e.division.into(),
            area: e.area.into(),
            credit_class: e.credit_class.into(),
            cluster: e.cluster.into(),
            accidents: e.accidents.into(),
            ..Default::default()
        }),
        AnyInput::Supply(s) => rows.supply.push(v1::SupplyRow {
            row,
            enterprise_id: s.enterprise_id.into(),
            product_id: s.product_id.into(),
            channel: s.channel.into(),
            platform: s.platform.into(),
            sale_division: s.sale_division.into(),
            delete: s.delete,
        }),
        AnyInput::Tier(t) => rows.tiers.push(v1::TierRow {
            row,
            enterprise_id: t.enterprise_id.into(),
            product_id: t.product_id.into(),
            tier: t.tier.into(),
            valid_from: t.valid_from.into(),
            delete: t.delete,
        }),
        AnyInput::History(h) => rows.history.push(v1::HistoryRow {
            row,
            enterprise_id: h.enterprise_id.into(),
            product_id: h.product_id.into(),
            level: h.level.into(),
            authority: h.authority.into(),
            sampled_on: h.sampled_on.into(),
            outcome: h.outcome.into(),
            delete: h.delete,
        }),
    }
}

/// Imports tables as they are.
pub async fn import(server: &Server, tables: &Tables) -> v1::ImportResponse {
    let messages = tokio_stream::iter(messages(header(), tables));
    server.registry().await.import(messages).await.unwrap().into_inner()
}

pub fn create(seed: &str) -> v1::CreatePlanRequest {
    v1::CreatePlanRequest {
        source: Some(v1::create_plan_request::Source::Policy(policy())),
        seed_text: seed.to_owned(),
        ..Default::default()
    }
}
