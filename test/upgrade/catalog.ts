import type { Sql } from '../support/ledger.ts';

interface Column {
  readonly type: string;
  readonly required: boolean;
  /** Whether a row can be added without naming it. */
  readonly filled: boolean;
}

/** What programs can rely on in a database: names, types, and what a row must hold. */
export interface Catalog {
  /** By `table.column`; views too. */
  readonly columns: ReadonlyMap<string, Column>;
  /** `name(argument types)`. */
  readonly functions: ReadonlySet<string>;
  /** What refuses rows: unique indexes and check, foreign-key and exclusion constraints, as `table: definition`. */
  readonly rules: ReadonlySet<string>;
}

/** Reads the schema `public`. */
export const readCatalog = async (sql: Sql): Promise<Catalog> => {
  const columns = await sql<(Column & { name: string })[]>`
    select c.relname || '.' || a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required,
      not a.attnotnull or a.atthasdef or a.attidentity <> '' as filled
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v') and a.attnum > 0 and not a.attisdropped`;
  const functions = await sql<{ name: string }[]>`
    select proname || '(' || pg_get_function_identity_arguments(oid) || ')' as name from pg_proc
    where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype`;
  const rules = await sql<{ rule: string }[]>`
    select conrelid::regclass || ': ' || pg_get_constraintdef(oid) as rule from pg_constraint
    where connamespace = 'public'::regnamespace and contype in ('c', 'f', 'x')
    union all
    select indrelid::regclass || ': ' || regexp_replace(pg_get_indexdef(indexrelid), 'INDEX \\S+ ', 'INDEX ') from pg_index
    where indisunique and indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)`;
  return {
    columns: new Map(columns.map(({ name, ...column }) => [name, column])),
    functions: new Set(functions.map(({ name }) => name)),
    rules: new Set(rules.map(({ rule }) => rule)),
  };
};

const tableOf = (name: string): string => name.replace(/[.:].*$/s, '');

/**
 * What a change of the schema takes from programs that were written for the one before: they go on running beside the new
 * ones. Empty when it only adds, and adds nothing that their rows would have to satisfy.
 */
export const contractions = (before: Catalog, after: Catalog): string[] => {
  const known = new Set([...before.columns.keys()].map(tableOf));
  const columns = [...before.columns].flatMap(([name, old]) => {
    const now = after.columns.get(name);
    if (now === undefined) return [`${name} is gone`];
    if (now.type !== old.type) return [`${name} was ${old.type} and is ${now.type}`];
    return now.required && !old.required ? [`${name} must be given now`] : [];
  });
  const added = [...after.columns].flatMap(([name, { filled }]) =>
    known.has(tableOf(name)) && !before.columns.has(name) && !filled ? [`${name} is new and must be given`] : [],
  );
  const functions = [...before.functions].filter((name) => !after.functions.has(name)).map((name) => `${name} is gone`);
  const rules = [...after.rules].filter((rule) => known.has(tableOf(rule)) && !before.rules.has(rule));
  return [...columns, ...added, ...functions, ...rules.map((rule) => `a new rule for old rows: ${rule}`)];
};
