//! Reads what an older binary relies on in the schema, to compare it before and after a migration.

use std::collections::BTreeSet;

use stack::testing::Database;

/// Objects that a migration must not change or remove: columns with their types, unique indexes,
/// functions, triggers, and grants.
const SCHEMA_OBJECTS: &str = "
    SELECT format('column %s.%s %s%s%s', attrelid::regclass, attname,
                  format_type(atttypid, atttypmod),
                  CASE WHEN attnotnull THEN ' not null' END,
                  CASE attidentity WHEN 'a' THEN ' generated always' WHEN 'd' THEN ' with a default'
                      ELSE CASE WHEN atthasdef THEN ' with a default' END END)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'p')
        AND attnum > 0 AND NOT attisdropped
    UNION ALL SELECT pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relnamespace = 'public'::regnamespace AND indisunique
    UNION ALL SELECT format('function %s returns %s: %s', oid::regprocedure,
                            pg_get_function_result(oid), md5(prosrc))
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT format('grant of %s on %s to %s', privilege_type, pg_class.oid::regclass,
                            grantee::regrole)
    FROM pg_class CROSS JOIN aclexplode(coalesce(relacl, acldefault('r', relowner)))
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'p')
    UNION ALL SELECT pg_get_triggerdef(pg_trigger.oid)
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal";

/// Constraints and triggers that may refuse or change a row, one per line: table|column|constraint.
/// NOT NULL columns with a default are left out. Triggers have an empty column, because they
/// concern every row of their table. Only constraint triggers and those with one of the bits 2
/// (BEFORE) and 64 (INSTEAD OF) of `tgtype` are read.
const ROW_CONSTRAINTS: &str = "
    SELECT attrelid::regclass, attname, 'not null'
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        AND attnum > 0 AND NOT attisdropped
        AND attnotnull AND NOT atthasdef AND attidentity = ''
    UNION ALL SELECT conrelid::regclass, attname, pg_get_constraintdef(pg_constraint.oid)
    FROM pg_constraint CROSS JOIN unnest(conkey) AS key
        JOIN pg_attribute ON attrelid = conrelid AND attnum = key
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

    /// Objects of this schema that `newer` lacks or has changed, and new constraints that a binary
    /// built for this schema could violate. The binary inserts no values into new columns, so the
    /// only constraint on them that it could violate is NOT NULL.
    pub(super) fn incompatibilities_with(&self, newer: &Self) -> Vec<String> {
        let removed = self.objects.difference(&newer.objects);
        let can_be_violated = |row: &&String| {
            let fields: Vec<_> = row.splitn(3, '|').collect();
            let [table, column, constraint] = fields[..] else {
                panic!("not table|column|constraint: {row}")
            };
            self.has_column(table, column)
                || (self.has_table(table) && (column.is_empty() || constraint == "not null"))
        };
        let added = newer.constraints.difference(&self.constraints).filter(can_be_violated);
        let removed = removed.map(|object| format!("removed or changed: {object}"));
        removed.chain(added.map(|constraint| format!("new constraint: {constraint}"))).collect()
    }
}
