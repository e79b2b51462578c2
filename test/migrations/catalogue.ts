import type pg from 'pg'

// Each is one kind of thing, in words that two databases share: no number, no place. The order of columns is left out:
// a column that was added later stands last, and nobody asks for columns by their place.
const kinds = {
  relation: `
    select concat_ws(' ', relname, relkind, relpersistence, reloptions::text, relacl::text, relrowsecurity, relreplident)
    from pg_class
    where relnamespace = 'public'::regnamespace and relkind <> 'i'`,
  column: `
    select concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod), case when attnotnull then 'not null' end,
      pg_get_expr(adbin, adrelid), attidentity, attgenerated, attstorage, attcompression, attstattarget,
      nullif(attcollation, t.typcollation)::regcollation, attacl::text)
    from pg_attribute a
    join pg_class c on c.oid = attrelid and relnamespace = 'public'::regnamespace and relkind <> 'i'
    join pg_type t on t.oid = atttypid
    left join pg_attrdef d on adrelid = attrelid and adnum = attnum
    where attnum > 0 and not attisdropped`,
  constraint: `
    select concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid), condeferrable, condeferred, convalidated)
    from pg_constraint
    where connamespace = 'public'::regnamespace`,
  index: `
    select concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid, indisready, indisclustered, reloptions::text)
    from pg_index
    join pg_class on pg_class.oid = indexrelid
    where relnamespace = 'public'::regnamespace`,
  function: `
    select concat_ws(' ', pg_get_functiondef(oid), proacl::text)
    from pg_proc
    where pronamespace = 'public'::regnamespace and prokind <> 'a'`,
  trigger: `
    select concat_ws(' ', pg_get_triggerdef(oid), tgenabled)
    from pg_trigger
    where not tgisinternal`,
  view: `
    select concat_ws(' ', viewname, definition)
    from pg_views
    where schemaname = 'public'
    union all
    select concat_ws(' ', matviewname, definition)
    from pg_matviews
    where schemaname = 'public'`,
  sequence: `
    select concat_ws(' ', sequencename, data_type, start_value, min_value, max_value, increment_by, cycle, cache_size)
    from pg_sequences
    where schemaname = 'public'`,
  type: `
    select concat_ws(' ', typname, typtype, typbasetype::regtype, typnotnull, typdefault,
      (select string_agg(enumlabel, ',' order by enumsortorder) from pg_enum where enumtypid = t.oid))
    from pg_type t
    where typnamespace = 'public'::regnamespace and typtype in ('d', 'e', 'r')`,
  statistics: `
    select concat_ws(' ', pg_get_statisticsobjdef(oid), stxstattarget)
    from pg_statistic_ext`,
  policy: `
    select concat_ws(' ', tablename, policyname, permissive, roles::text, cmd, qual, with_check)
    from pg_policies`,
  extension: `
    select concat_ws(' ', extname, extversion)
    from pg_extension`,
  schema: `
    select concat_ws(' ', nspname, nspacl::text)
    from pg_namespace
    where nspname !~ '^pg_'`,
  comment: `
    select concat_ws(' ', o.type, o.identity, description)
    from pg_description, pg_identify_object(classoid, objoid, objsubid) o
    where o.schema = 'public'`,
  setting: `
    select concat_ws(' ', setrole::regrole, setconfig::text)
    from pg_db_role_setting
    where setdatabase = (select oid from pg_database where datname = current_database())`,
}

/** All that a database is but its rows, one line for each thing. */
export async function catalogueOf(client: pg.ClientBase): Promise<string[]> {
  const things: string[] = []
  for (const [kind, sql] of Object.entries(kinds)) {
    const { rows } = await client.query({ text: sql, rowMode: 'array' })
    things.push(...rows.map(([thing]) => `${kind} ${thing}`))
  }
  return things.sort()
}
