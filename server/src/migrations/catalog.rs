//! What an older binary relies on in the schema, compared before and after a migration.

use std::collections::BTreeSet;

use stack::testing::Database;

/// What must stay as it is: columns with their types, unique indexes, functions, triggers, and grants.
const SCHEMA_OBJECTS: &str = "
    SELECT format('column %s.%s %s%s%s', attrelid::regclass, attname, format_type(atttypid, atttypmod),
                  CASE WHEN attnotnull THEN ' not null' END,
                  CASE attidentity WHEN 'a' THEN ' generated always' WHEN 'd' THEN ' with a default'
                      ELSE CASE WHEN atthasdef THEN ' with a default' END END)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'p') AND attnum > 0 AND NOT attisdropped
    UNION ALL SELECT pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relnamespace = 'public'::regnamespace AND indisunique
    UNION ALL SELECT format('function %s returns %s: %s', oid::regprocedure, pg_get_function_result(oid), md5(prosrc))
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT format('grant of %s on %s to %s', privilege_type, pg_class.oid::regclass, grantee::regrole)
    FROM pg_class CROSS JOIN aclexplode(coalesce(relacl, acldefault('r', relowner)))
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'p')
    UNION ALL SELECT pg_get_triggerdef(pg_trigger.oid)
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal";

/// What may refuse or change a row, one a line: table|column|constraint. NOT NULL with a default is
/// left out. A trigger that runs before the row is written, or as a constraint, concerns every row of
/// its table.
const ROW_CONSTRAINTS: &str = "
    SELECT attrelid::regclass, attname, 'not null'
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
        AND attnotnull AND NOT atthasdef AND attidentity = ''
    UNION ALL SELECT conrelid::regclass, attname, pg_get_constraintdef(pg_constraint.oid)
    FROM pg_constraint CROSS JOIN unnest(conkey) AS key JOIN pg_attribute ON attrelid = conrelid AND attnum = key
    WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL SELECT indrelid::regclass, attname, pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid CROSS JOIN unnest(indkey) AS key
        JOIN pg_attribute ON attrelid = indrelid AND attnum = key
    WHERE relnamespace = 'public'::regnamespace AND indisunique
    UNION ALL SELECT tgrelid::regclass, NULL, pg_get_triggerdef(pg_trigger.oid)
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal
        AND (tgtype::int & (2 | 64) <> 0 OR tgconstraint <> 0)";

pub(super) struct Catalog {
    objects: BTreeSet<String>,
    constraints: BTreeSet<String>,
}

impl Catalog {
    pub(super) fn read(database: &Database) -> Self {
        let rows = |sql| database.psql(sql).unwrap().lines().map(str::to_owned).collect();
        Self { objects: rows(SCHEMA_OBJECTS), constraints: rows(ROW_CONSTRAINTS) }
    }

    fn has_column(&self, table: &str, column: &str) -> bool {
        self.objects.iter().any(|object| object.starts_with(&format!("column {table}.{column} ")))
    }

    fn has_table(&self, table: &str) -> bool {
        self.objects.iter().any(|object| object.starts_with(&format!("column {table}.")))
    }

    /// What a binary that was made for this schema would miss in `newer`, or could not satisfy. It
    /// gives no values to new columns, so constraints of those alone do not concern it.
    pub(super) fn incompatibilities_with(&self, newer: &Self) -> Vec<String> {
        let lost = self.objects.difference(&newer.objects).map(|object| format!("lost: {object}"));
        let concerns = |constraint: &&String| {
            let mut parts = constraint.splitn(3, '|');
            let (Some(table), Some(column), Some(what)) =
                (parts.next(), parts.next(), parts.next())
            else {
                panic!("{constraint}")
            };
            self.has_column(table, column)
                || (self.has_table(table) && (column.is_empty() || what == "not null"))
        };
        let required = newer.constraints.difference(&self.constraints).filter(concerns);
        lost.chain(required.map(|constraint| format!("required: {constraint}"))).collect()
    }
}
