-- The last event of a lead's own; that of its link stands in lead_links. Null where a version stored or changed it that
-- does not know of it: then its events are asked.
alter table leads add column rev_seq bigint, add column rev_event uuid;

create function forget_lead_rev() returns trigger language plpgsql as $$
begin
  new.rev_seq := null;
  new.rev_event := null;
  return new;
end $$;
create trigger leads_rev_forgotten before update on leads
for each row
when (new.version <> old.version and new.rev_seq is not distinct from old.rev_seq)
execute function forget_lead_rev();

/*
 * As it was, but that a lead knows its event. What store_leads does, and why it is written like this, is said where it
 * was made (0022).
 */
create or replace function store_leads(
  generation_in bigint,
  redriven boolean,
  dealers uuid[],
  credentials_in uuid[],
  epochs integer[],
  ids uuid[],
  event_ids uuid[],
  types text[],
  tests boolean[],
  external_sources text[],
  external_ids text[],
  submitted timestamptz[],
  datas jsonb[],
  warnings_in jsonb[],
  idempotency_keys text[],
  request_hashes bytea[],
  original_types text[],
  originals bytea[],
  addresses inet[],
  original_documents uuid[],
  document_ids uuid[],
  documents bytea[]
) returns table (verdict text, replayed boolean, lead_id uuid, received timestamptz, lead_warnings jsonb)
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
  moment timestamptz;
  stored_ids uuid[] := '{}';
  stored_times timestamptz[] := '{}';
begin
  with locked as materialized (
    select dealer_id
    from dealer_clocks
    where dealer_id = any (dealers)
    order by dealer_id
    for update
  )
  select clock_timestamp()
  into moment
  from (select count(*) from locked) waited;

  if redriven then
    -- Planned anew each time, for the tables as they are.
    execute '
      select coalesce(array_agg(l.id), ''{}''), coalesce(array_agg(l.received_at), ''{}'')
      from leads l
      where l.dealer_id = any ($1) and l.id = any ($2)'
    into stored_ids, stored_times
    using dealers, ids;
  end if;

  return query
  with judged as (
    select t.*, c.subject_type, c.subject_id, t.test or c.environment = 'test' as is_test,
      case
        when t.external_id is not null then jsonb_build_array(t.external_source, t.external_id)::text
      end as reference,
      case
        when t.id = any (stored_ids) then 'stored'
        when (select g.generation from signing_key_generation g) <> generation_in then 'keys-newer'
        when c.subject_id is null or c.disabled or c.epoch <> t.epoch or c.ends_at <= moment then 'token-invalid'
        when not is_address_allowed(c.allowed_networks, t.address) then 'address-not-allowed'
        when not c.scopes @> array['leads:create'] then 'scope-missing'
        else 'ok'
      end as judgement
    from unnest(
      dealers, credentials_in, epochs, ids, event_ids, types, tests, external_sources, external_ids, submitted,
      warnings_in, idempotency_keys, request_hashes, original_types, addresses, original_documents
    ) with ordinality as t(
      dealer_id, credential_id, epoch, id, event_id, type, test, external_source, external_id, submitted_at,
      warnings, idempotency_key, request_hash, original_type, address, original_document, ord
    )
    left join lateral (
      select *
      from credentials k
      where k.dealer_id = t.dealer_id and k.id = t.credential_id
      limit 1
    ) c on true
  ), keyed as (
    -- The first row of a group with a key acts; later ones are answered as it is.
    select j.*, k.lead_id as key_lead, k.request_hash as key_hash, k.duplicate as key_duplicate,
      k.received_at as key_received, k.warnings as key_warnings,
      first_value(j.ord) over same_key as key_leader,
      first_value(j.request_hash) over same_key as leader_hash
    from judged j
    left join lateral (
      select *
      from lead_claims k
      where k.dealer_id = j.dealer_id
        and k.subject_id = j.subject_id
        and k.kind = 'idempotency'
        and k.value = j.idempotency_key
      limit 1
    ) k on j.judgement = 'ok' and k.expires_at > moment
    window same_key as (
      partition by
        case when j.idempotency_key is null then j.ord end,
        j.judgement, j.dealer_id, j.subject_id, j.idempotency_key
      order by j.ord
    )
  ), acting as (
    select *, judgement = 'ok' and key_lead is null and key_leader = keyed.ord as acts
    from keyed
  ), referred as (
    select a.*, r.lead_id as reference_lead, r.received_at as reference_received, r.warnings as reference_warnings,
      first_value(a.id) over same_reference as first_id,
      first_value(a.warnings) over same_reference as first_warnings
    from acting a
    left join lateral (
      select *
      from lead_claims r
      where r.dealer_id = a.dealer_id
        and r.subject_id = a.subject_id
        and r.kind = 'reference'
        and r.value = a.reference
      limit 1
    ) r on a.acts
    window same_reference as (
      partition by
        case when a.reference is null or not a.acts then a.ord end,
        a.acts, a.dealer_id, a.subject_id, a.reference
      order by a.ord
    )
  ), told as (
    -- What each row is answered, were it alone: by the reference of another lead, or as a lead of its own.
    select r.*,
      coalesce(r.reference_lead, r.first_id) as own_lead,
      r.reference_lead is not null or r.first_id <> r.id as own_duplicate,
      coalesce(r.reference_received, moment) as own_received,
      coalesce(r.reference_warnings, r.first_warnings) as own_warnings
    from referred r
  ), fresh as (
    select *,
      row_number() over (partition by dealer_id order by told.ord) as place,
      count(*) over (partition by dealer_id) as amount
    from told
    where acts and not own_duplicate
  ), ticked as (
    update dealer_clocks k
    set seq = k.seq + a.amount
    from (select distinct f.dealer_id, f.amount from fresh f) a
    where k.dealer_id = a.dealer_id
    returning k.dealer_id, k.seq - a.amount as before
  ), stored as (
    insert into leads (
      dealer_id, id, type, status, source_type, source_id, test, external_source, external_id, submitted_at,
      received_at, updated_at, version, data, warnings, rev_seq, rev_event
    )
    select f.dealer_id, f.id, f.type, 'new', f.subject_type, f.subject_id, f.is_test, f.external_source, f.external_id,
      f.submitted_at, moment, moment, 1, datas[f.ord], f.warnings, t.before + f.place, f.event_id
    from fresh f
    join ticked t using (dealer_id)
  ), documented as (
    -- With the first of its leads, wherever the others go.
    insert into lead_documents (dealer_id, id, media_type, content)
    select distinct on (f.dealer_id, f.original_document)
      f.dealer_id, f.original_document, f.original_type,
      documents[array_position(document_ids, f.original_document)]
    from fresh f
    where f.original_document is not null
    order by f.dealer_id, f.original_document
    on conflict (dealer_id, id) do nothing
  ), preserved as (
    insert into lead_originals (dealer_id, lead_id, media_type, content)
    select f.dealer_id, f.id, f.original_type, originals[f.ord]
    from fresh f
    where f.original_type is not null and f.original_document is null
  ), referring as (
    insert into lead_document_places (dealer_id, lead_id, document_id)
    select f.dealer_id, f.id, f.original_document
    from fresh f
    where f.original_document is not null
  ), references_claimed as (
    insert into lead_claims (dealer_id, subject_id, kind, value, lead_id, received_at, warnings)
    select f.dealer_id, f.subject_id, 'reference', f.reference, f.id, moment, f.warnings
    from fresh f
    where f.reference is not null
  ), keys_claimed as (
    insert into lead_claims (
      dealer_id, subject_id, kind, value, lead_id, received_at, warnings, request_hash, duplicate, expires_at
    )
    select t.dealer_id, t.subject_id, 'idempotency', t.idempotency_key, t.own_lead, t.own_received, t.own_warnings,
      t.request_hash, t.own_duplicate, moment + interval '72 hours'
    from told t
    where t.acts and t.idempotency_key is not null
    on conflict (dealer_id, subject_id, kind, value) do update
    set lead_id = excluded.lead_id,
      received_at = excluded.received_at,
      warnings = excluded.warnings,
      request_hash = excluded.request_hash,
      duplicate = excluded.duplicate,
      expires_at = excluded.expires_at
  ), recorded as (
    insert into events (dealer_id, seq, id, type, at, subject_type, subject_id, actor_type, actor_id, changed, test)
    select f.dealer_id, t.before + f.place, f.event_id, 'lead.created', moment, 'lead', f.id,
      f.subject_type, f.subject_id, '{}', f.is_test
    from fresh f
    join ticked t using (dealer_id)
  )
  select
    case
      when t.judgement = 'stored' then 'created'
      when t.judgement <> 'ok' then t.judgement
      when not is_same_request(case when t.key_lead is null then t.leader_hash else t.key_hash end, t.request_hash) then 'key-reused'
      when case
        when t.key_lead is null then first_value(t.own_duplicate) over leader
        else t.key_duplicate
      end then 'duplicate'
      else 'created'
    end,
    t.judgement = 'ok' and not t.acts,
    coalesce(t.key_lead, first_value(t.own_lead) over leader),
    coalesce(
      stored_times[array_position(stored_ids, t.id)],
      t.key_received,
      first_value(t.own_received) over leader
    ),
    coalesce(t.key_warnings, first_value(t.own_warnings) over leader)
  from told t
  window leader as (partition by t.key_leader order by t.ord)
  order by t.ord;
end $$;
