//! Tests of the room as others use it, on a small province.

mod csv;
mod encoding;
mod errors;
mod semantics;

use crate::model::IdScheme;

use super::{Counts, Import, Mode, Registry, Report, Table, read_csv};

/// A small province in CSV: one city, two counties, a subdistrict and a town.
const DIVISIONS: &str = "\
code,name,level,parent_code,kind
37,Shandong,province,,
3701,Jinan,city,37,
370102,Lixia,county,3701,district
370171,High-tech zone,county,3701,functional_zone
370102001,Jiefang Road,township,370102,subdistrict
370171100,Suncun,township,370171,town
";

const PRODUCTS: &str = "\
product_id,name,name_en,category,key,key_group,risk,licence,ccc,standards,items,test_quantity,\
reserve_quantity,quantity_unit,channels,levels,x_season
P2,电动自行车,Electric bicycle,vehicles/light,true,safety,high,false,true,GB 17761-2024!;GB/T 3565,\
brake performance!;marking,2,1,unit,,province;city,
P1,童装,Children's wear,textiles,,,,,,,,,,,circulation;online,,summer
";

const ENTERPRISES: &str = "\
enterprise_id,name,status,division,area,credit_class,cluster,accidents,x_size,x_note
E3,Third,active,370171100,,A,,,small,
E1,First,active,370102001,,B,bicycles,2,,
E2,\"Second, Ltd.\",suspended,370102,rural,,,,large,
";

const SUPPLY: &str = "\
enterprise_id,product_id,channel,platform,sale_division
E3,P2,production,,
E1,P2,online,Shop B,440305
E1,P2,online,Shop A,
E1,P1,circulation,,370102001
E2,P1,online,,
";

const TIERS: &str = "\
enterprise_id,product_id,tier,valid_from
E1,,B,
E1,P2,A,2025-01-01
E3,,C,2024-06-30
";

const HISTORY: &str = "\
enterprise_id,product_id,level,authority,sampled_on,outcome
E3,P1,city,3701,2024-05-06,passed
E1,P2,county,370199,2024-05-06,failed
";

/// The tables of the small province.
fn province() -> Vec<(Table, String)> {
    let texts = [DIVISIONS, PRODUCTS, ENTERPRISES, SUPPLY, TIERS, HISTORY];
    Table::ALL.into_iter().zip(texts.map(str::to_owned)).collect()
}

fn import(
    mode: Mode,
    base: Option<&Registry>,
    tables: &[(Table, String)],
) -> Result<(Registry, Counts), Report> {
    let mut import = Import::new(IdScheme::Opaque, mode);
    for (table, text) in tables {
        read_csv(*table, text.as_bytes(), &mut import).unwrap();
    }
    import.finish(base)
}

fn small() -> Registry {
    import(Mode::Replace, None, &province()).unwrap().0
}

/// The small province with another text for `table`.
fn with(table: Table, text: &str) -> Result<(Registry, Counts), Report> {
    let mut tables = province();
    tables[table.index()].1 = text.to_owned();
    import(Mode::Replace, None, &tables)
}

/// The small province with one more line in `table`.
fn with_line(table: Table, line: &str) -> Result<(Registry, Counts), Report> {
    let text = format!("{}{line}\n", province()[table.index()].1);
    with(table, &text)
}

/// The problems of a failed import, as a report prints them.
fn problems(result: Result<(Registry, Counts), Report>) -> Vec<String> {
    result.unwrap_err().rows.iter().map(ToString::to_string).collect()
}
