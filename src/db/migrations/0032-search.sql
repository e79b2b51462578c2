-- Names of which a word that is looked for is a part, or that have a letter more, less or another, are found by the
-- threes of letters that they have in common. PostgreSQL brings both extensions, and trusts the owner of a database to
-- create them.
create extension if not exists pg_trgm;
create extension if not exists btree_gin;

-- By what customers are found, whatever of them is typed: the words of their names, addresses, numbers from each digit
-- on, plates, VINs, and what systems know them by. Each term begins with a mark of its dealer and of test or real, so
-- that one index serves all and nobody's search reads what is others'. There is a row for each that is one customer by a
-- merge, all alike: a lead leads to it by the id that it was given. `rev_event` is that of the living one, of which it
-- was made. This is personal data: rows of one who is erased go, under each of the ids.
create table customer_texts (
  dealer_id uuid not null,
  id uuid not null,
  customer_id uuid not null,
  test boolean not null,
  rev_event uuid not null,
  terms tsvector not null,
  primary key (dealer_id, id),
  foreign key (dealer_id, test, id) references customers (dealer_id, test, id)
);
create index customer_texts_terms on customer_texts using gin (terms) with (fastupdate = off);

-- The words of all names of a dealer's customers, each once, as they sound. This is personal data where a name is rare:
-- a word that no term is made of any more goes with the last one who had it.
create table customer_words (
  dealer_id uuid not null,
  test boolean not null,
  word text collate "C" not null,
  primary key (dealer_id, test, word)
);
create index customer_words_like on customer_words using gin (dealer_id, test, word gin_trgm_ops) with (fastupdate = off);

-- By what leads are found beside their customer: stock numbers, plates, VINs, listings, the reference of their sender.
-- Plates and VINs are personal data: the row goes with what the lead says.
create table lead_texts (
  dealer_id uuid not null,
  lead_id uuid not null,
  test boolean not null,
  terms tsvector not null,
  primary key (dealer_id, lead_id),
  foreign key (dealer_id, lead_id) references leads
);
create index lead_texts_terms on lead_texts using gin (terms) with (fastupdate = off);

-- Whether the terms of the lead are written, and how far the events were read for what lacks its terms: what is older
-- than they are, and what a process of the version before writes.
alter table lead_links add column has_terms boolean not null default false;
alter table linker_cursors add column terms_seq bigint not null default 0;

-- Who has all of the terms, led to by one query after the other, until there are so many. The index of the terms alone is
-- to be read, whatever is known of how often one occurs: it is the only one that leads to no more than those who have
-- them.
create function customers_found(dealer uuid, of_test boolean, leading_terms tsquery[], all_terms tsquery, at_most integer)
returns setof uuid language plpgsql stable rows 50
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_indexscan = off
as $$
declare
  some_terms tsquery;
  added integer;
begin
  foreach some_terms in array leading_terms loop
    return query
      select t.id
      from customer_texts t
      where t.terms @@ some_terms and t.dealer_id is not distinct from dealer and t.test = of_test
        and (t.terms || ''::tsvector) @@ all_terms
      limit at_most;
    get diagnostics added = row_count;
    at_most := at_most - added;
    exit when at_most <= 0;
  end loop;
end $$;

create function leads_found(dealer uuid, of_test boolean, leading_terms tsquery[], at_most integer)
returns setof uuid language plpgsql stable rows 50
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_indexscan = off
as $$
declare
  some_terms tsquery;
  added integer;
begin
  foreach some_terms in array leading_terms loop
    return query
      select t.lead_id
      from lead_texts t
      where t.terms @@ some_terms and t.dealer_id is not distinct from dealer and t.test = of_test
      limit at_most;
    get diagnostics added = row_count;
    at_most := at_most - added;
    exit when at_most <= 0;
  end loop;
end $$;

-- Words of names in which a sound stands, but not at the beginning, as many as are worth it; where no name begins so
-- either, those that have threes of letters in common with it.
create function words_found(dealer uuid, of_test boolean, sound text)
returns table (word text, is_near boolean) language plpgsql stable rows 10
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_indexscan = off
as $$
begin
  return query
    select w.word, false
    from customer_words w
    where w.dealer_id = dealer and w.test = of_test and w.word like '_%' || sound || '%'
    limit 100;
  if found or exists (
    select
    from customer_words w
    where w.dealer_id = dealer and w.test = of_test and w.word between sound and sound || U&'\+10FFFF'
  ) then
    return;
  end if;
  return query
    select w.word, true
    from customer_words w
    where w.dealer_id = dealer and w.test = of_test and w.word % sound
    order by similarity(w.word, sound) desc
    limit 50;
end $$;

-- Those whose address begins so, as many as are worth it.
create function emails_found(dealer uuid, of_test boolean, beginning text, at_most integer)
returns setof uuid language plpgsql stable rows 50
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
begin
  return query
    select k.customer_id
    from customer_keys k
    where k.dealer_id = dealer and k.test = of_test and k.kind = 'email'
      and k.value between beginning and beginning || U&'\+10FFFF'
    limit at_most;
end $$;
