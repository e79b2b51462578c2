-- Since when a signing key signs no more, by the database's clock. The version before chooses by its own.
alter table signing_keys add column retired_at timestamptz;
