-- What a subject may send only once. kind 'reference': the lead's external reference, for ever. kind 'idempotency': an Idempotency-Key,
-- with the hash of its request and what it was answered, until it expires; the one after that takes it over.
alter table lead_claims drop constraint lead_claims_kind_check;
alter table lead_claims
  add constraint lead_claims_kind_check check (kind in ('reference', 'idempotency')),
  add column request_hash bytea,
  add column duplicate boolean not null default false,
  add column expires_at timestamptz not null default 'infinity';
create index lead_claims_expiry on lead_claims (expires_at) where kind = 'idempotency';

-- Leads that came in another form than ours, byte for byte.
create table lead_originals (
  dealer_id uuid not null,
  lead_id uuid not null,
  media_type text not null,
  content bytea not null,
  primary key (dealer_id, lead_id),
  foreign key (dealer_id, lead_id) references leads
);

drop function create_leads(bigint, uuid[], uuid[], integer[], uuid[], uuid[], text[], boolean[], text[], text[], timestamptz[], jsonb[], jsonb[]);

/*
 * Stores a group of leads in one call, as if row by row in the order given, and says for each what became of it: created, duplicate (the
 * lead of its external reference), key-reused (the Idempotency-Key of another request), token-invalid, scope-missing, or keys-newer when
 * the caller's signing keys are older than the database's. `replayed` is an answer that was given before.
 *
 * The clocks of all dealers are locked first, in order; only then does the second statement read, with a snapshot of its own, what it
 * decides on. `redriven` is for a group whose first answer was lost: rows whose ids are there were created.
 */
create function create_leads(
  generation_in bigint, redriven boolean, dealers uuid[], credentials_in uuid[], epochs integer[], ids uuid[], event_ids uuid[], types text[],
  tests boolean[], external_sources text[], external_ids text[], submitted timestamptz[], datas jsonb[], warnings_in jsonb[],
  idempotency_keys text[], request_hashes bytea[], original_types text[], originals bytea[]
) returns table (verdict text, replayed boolean, lead_id uuid, received timestamptz, lead_warnings jsonb)
language plpgsql as $$
#variable_conflict use_column
declare
  moment timestamptz;
begin
  with locked as materialized (
    select dealer_id from dealer_clocks where dealer_id = any (dealers) order by dealer_id for update
  )
  select clock_timestamp() into moment from (select count(*) from locked) waited;

  return query
  with input as (
    select t.*, case when t.external_id is not null then jsonb_build_array(t.external_source, t.external_id)::text end as reference,
      g.generation <> generation_in as stale
    from unnest(dealers, credentials_in, epochs, ids, event_ids, types, tests, external_sources, external_ids, submitted, datas, warnings_in,
                idempotency_keys, request_hashes, original_types, originals)
      with ordinality
      as t(dealer_id, credential_id, epoch, id, event_id, type, test, external_source, external_id, submitted_at, data, warnings,
           idempotency_key, request_hash, original_type, original, ord),
      signing_key_generation g
  ), judged as (
    select i.*, c.subject_type, c.subject_id, i.test or c.environment = 'test' as is_test, s.received_at as stored_at,
      case when s.received_at is not null then 'stored'
           when i.stale then 'keys-newer'
           when c.subject_id is null or c.disabled or c.epoch <> i.epoch or c.ends_at <= moment then 'token-invalid'
           when not c.scopes @> array['leads:create'] then 'scope-missing'
           else 'ok' end as judgement
    from input i
    left join lateral (select * from credentials k where k.dealer_id = i.dealer_id and k.id = i.credential_id) c on true
    left join lateral (select l.received_at from leads l where redriven and l.dealer_id = i.dealer_id and l.id = i.id) s on true
  ), keyed as (
    -- The first row of a group with a key acts; later ones are answered as it is.
    select j.*, k.lead_id as key_lead, k.request_hash as key_hash, k.duplicate as key_duplicate,
      first_value(j.ord) over same_key as key_leader, first_value(j.request_hash) over same_key as leader_hash
    from judged j
    left join lateral (
      select * from lead_claims k
      where j.judgement = 'ok' and j.idempotency_key is not null and k.dealer_id = j.dealer_id and k.subject_id = j.subject_id
        and k.kind = 'idempotency' and k.value = j.idempotency_key and k.expires_at > moment
    ) k on true
    window same_key as (
      partition by j.judgement, j.dealer_id, j.subject_id, j.idempotency_key, case when j.idempotency_key is null then j.ord end order by j.ord
    )
  ), acting as (
    select *, judgement = 'ok' and key_lead is null and key_leader = keyed.ord as acts from keyed
  ), referred as (
    select a.*, r.lead_id as reference_lead, first_value(a.id) over same_reference as first_id, first_value(a.warnings) over same_reference as first_warnings
    from acting a
    left join lateral (
      select r.lead_id from lead_claims r
      where a.acts and a.reference is not null and r.dealer_id = a.dealer_id and r.subject_id = a.subject_id
        and r.kind = 'reference' and r.value = a.reference
    ) r on true
    window same_reference as (
      partition by a.acts, a.dealer_id, a.subject_id, a.reference, case when a.reference is null or not a.acts then a.ord end order by a.ord
    )
  ), fresh as (
    select *, row_number() over (partition by dealer_id order by referred.ord) as place, count(*) over (partition by dealer_id) as amount
    from referred where acts and reference_lead is null and first_id = id
  ), stored as (
    insert into leads (dealer_id, id, type, status, source_type, source_id, test, external_source, external_id, submitted_at, received_at,
                       updated_at, version, data, warnings)
    select f.dealer_id, f.id, f.type, 'new', f.subject_type, f.subject_id, f.is_test, f.external_source, f.external_id, f.submitted_at, moment,
           moment, 1, f.data, f.warnings
    from fresh f
  ), preserved as (
    insert into lead_originals (dealer_id, lead_id, media_type, content)
    select f.dealer_id, f.id, f.original_type, f.original from fresh f where f.original is not null
  ), references_claimed as (
    insert into lead_claims (dealer_id, subject_id, kind, value, lead_id)
    select f.dealer_id, f.subject_id, 'reference', f.reference, f.id from fresh f where f.reference is not null
  ), keys_claimed as (
    insert into lead_claims (dealer_id, subject_id, kind, value, request_hash, lead_id, duplicate, expires_at)
    select r.dealer_id, r.subject_id, 'idempotency', r.idempotency_key, r.request_hash, coalesce(r.reference_lead, r.first_id),
           r.reference_lead is not null or r.first_id <> r.id, moment + interval '72 hours'
    from referred r where r.acts and r.idempotency_key is not null
    on conflict (dealer_id, subject_id, kind, value) do update
      set request_hash = excluded.request_hash, lead_id = excluded.lead_id, duplicate = excluded.duplicate, expires_at = excluded.expires_at
  ), ticked as (
    update dealer_clocks k set seq = k.seq + a.amount
    from (select distinct f.dealer_id, f.amount from fresh f) a
    where k.dealer_id = a.dealer_id
    returning k.dealer_id, k.seq - a.amount as before
  ), recorded as (
    insert into events (dealer_id, seq, id, type, at, subject_type, subject_id, actor_type, actor_id, changed)
    select f.dealer_id, t.before + f.place, f.event_id, 'lead.created', moment, 'lead', f.id, f.subject_type, f.subject_id, '{}'
    from fresh f join ticked t using (dealer_id)
  ), told as (
    select r.*, coalesce(r.key_lead, first_value(r.reference_lead) over leader) as known_lead, first_value(r.first_id) over leader as leader_lead,
      first_value(r.first_warnings) over leader as leader_warnings,
      first_value(r.reference_lead is not null or r.first_id <> r.id) over leader as leader_duplicate
    from referred r
    window leader as (partition by r.judgement, r.dealer_id, r.subject_id, r.key_leader order by r.ord)
  )
  select
    case when t.judgement = 'stored' then 'created'
         when t.judgement <> 'ok' then t.judgement
         when case when t.key_lead is null then t.leader_hash else t.key_hash end <> t.request_hash then 'key-reused'
         when case when t.key_lead is null then t.leader_duplicate else t.key_duplicate end then 'duplicate'
         else 'created' end,
    t.judgement = 'ok' and not t.acts,
    coalesce(t.known_lead, t.leader_lead), coalesce(t.stored_at, l.received_at, moment), coalesce(l.warnings, t.leader_warnings)
  from told t
  left join lateral (select l.received_at, l.warnings from leads l where l.dealer_id = t.dealer_id and l.id = t.known_lead) l on true
  order by t.ord;
end $$;
