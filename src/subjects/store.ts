import type { Knex } from 'knex'

export interface SubjectRow {
  subject_name: string
  dealer_name: string
  country: string
  time_zone: string
  language: string
}

export async function findSubject(
  db: Knex,
  dealerId: string,
  subject: { type: 'api_key' | 'user'; id: string },
): Promise<SubjectRow | undefined> {
  const table = subject.type === 'user' ? 'users' : 'api_keys'
  return db('dealers as d')
    .join(`${table} as s`, 's.dealer_id', 'd.id')
    .where({ 'd.id': dealerId, 's.id': subject.id })
    .first({
      subject_name: 's.name',
      dealer_name: 'd.name',
      country: 'd.country',
      time_zone: 'd.time_zone',
      language: 'd.language',
    })
}

/** What somebody is called who does something, for the audit log. */
export async function findSubjectName(
  db: Knex,
  dealerId: string,
  subject: { type: 'api_key' | 'user'; id: string },
): Promise<string> {
  return (await findSubject(db, dealerId, subject))?.subject_name ?? ''
}
