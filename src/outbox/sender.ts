import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { Knex } from 'knex'
import MailComposer from 'nodemailer/lib/mail-composer'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { isOfThisMachine } from '../address.ts'
import { openAlarm, openJob, type Report } from '../background.ts'
import type { Letter, MailRow } from './mail.ts'
import * as store from './store.ts'

/** Where mail goes, and whom it comes from. */
export interface MailSettings {
  smtpUrl: string
  from: string
}

export interface Sender {
  stop(): Promise<void>
}

const restMs = 2_000
const lostMs = 60_000
const connectMs = 10_000
const silenceMs = 60_000
const mailsOfConnectionMax = 50
/** Between the attempts; after the last one the mail is given up. */
const retryMinutes = [1, 5, 30, 2 * 60, 12 * 60]
const failureLengthMax = 300
/** Kinds that the version before does not know, and what it says when it gives one up. This one says it otherwise. */
const newKinds = ['admin_added', 'many_failures', 'new_device', 'second_factor_missing'] as const
const givenUpBefore = 'There was nothing to say any more.'
/** For as long as the processes of the version before may take to end. */
const takenUpTimes = 15
const beforeAll = '00000000-0000-0000-0000-000000000000'

/**
 * Sends what is in the outbox, one mail after the other, in every process: each mail is claimed by one of them. It is
 * written down as being handed over in the moment in which the mail server asks for its content (RFC 5321, section
 * 4.1.1.4), and as sent when that was taken. So whoever dies before leaves a mail that will be sent, and whoever dies
 * in between one of which nobody can know: it is not sent again.
 *
 * `write` says what a mail says, as things are now; undefined when there is nothing to say any more.
 */
export function openSender(
  db: Knex,
  settings: MailSettings,
  publicUrl: string,
  write: (mail: MailRow) => Promise<Letter | undefined>,
  report: Report,
): Sender {
  let isStopped = false
  /** Dealers have their turns one after the other, however many mails of one there are. */
  let lastDealer = beforeAll
  let line: { connection: SMTPConnection; mails: number } | undefined
  const readingAlarm = openAlarm('reading the outbox', report)
  const sendingAlarm = openAlarm('sending mail', report)

  const hangUp = () => {
    line?.connection.quit()
    line = undefined
  }
  const cut = () => {
    line?.connection.close()
    line = undefined
  }

  async function deliver(mail: MailRow): Promise<void> {
    const progress = { isHandedOver: false }
    try {
      const composed = await compose(mail)
      if (!composed) return await store.settleMail(db, mail, { state: 'given_up' }, 'There is nothing to say any more.')
      line ??= { connection: await connected(settings.smtpUrl), mails: 0 }
      await sent(line.connection, composed, async () => {
        progress.isHandedOver = await store.handOver(db, mail)
        return progress.isHandedOver
      })
      await store.settleMail(db, mail, { state: 'sent' }, undefined)
      sendingAlarm.clear()
      if (++line.mails >= mailsOfConnectionMax) hangUp()
    } catch (error) {
      cut()
      sendingAlarm.raise(error)
      await store.settleMail(db, mail, outcomeOf(error, mail.attempts, progress.isHandedOver), wordsOf(error))
    }
  }

  async function compose(mail: MailRow): Promise<Composed | undefined> {
    const letter = await write(mail)
    if (!letter) return undefined
    const message = new MailComposer({
      ...letter,
      from: settings.from,
      messageId: `<${mail.id}@${new URL(publicUrl).hostname}>`,
      date: mail.created_at,
      headers: { 'Auto-Submitted': 'auto-generated' },
    }).compile()
    return { content: await message.build(), envelope: message.getEnvelope() }
  }

  async function send(): Promise<void> {
    while (!isStopped) {
      try {
        const mail = await store.claimMailAfter(db, lastDealer)
        readingAlarm.clear()
        const isRoundOver = !mail && lastDealer !== beforeAll
        lastDealer = mail?.dealer_id ?? beforeAll
        if (mail) await deliver(mail)
        else if (!isRoundOver) {
          hangUp()
          await pause(restMs, undefined, { ref: false })
        }
      } catch (error) {
        cut()
        readingAlarm.raise(error)
        await pause(restMs, undefined, { ref: false })
      }
    }
    hangUp()
  }

  const sending = send()
  let takenUp = 0
  const lost = openJob('giving up lost mails', lostMs, report, async () => {
    await store.giveUpLostMails(db)
    if (takenUp++ < takenUpTimes) await store.takeUpMails(db, newKinds, givenUpBefore)
  })
  lost.hurry()
  return {
    stop: async () => {
      isStopped = true
      await lost.stop()
      // A mail server that does not answer is not waited for: what it was given is found as handed over.
      await Promise.race([sending, pause(restMs * 2, undefined, { ref: false })])
      cut()
    },
  }
}

/**
 * How the server is spoken with. Elsewhere than on this machine neither the password nor a link to choose one goes out
 * in clear, also where somebody on the way leaves STARTTLS out of what the server says that it can.
 */
export function lineTo(smtpUrl: string) {
  const { protocol, hostname, port } = new URL(smtpUrl)
  return {
    host: hostname,
    ...(port && { port: Number(port) }),
    secure: protocol === 'smtps:',
    requireTLS: !isOfThisMachine(hostname),
    connectionTimeout: connectMs,
    greetingTimeout: connectMs,
    socketTimeout: silenceMs,
  }
}

function connected(smtpUrl: string): Promise<SMTPConnection> {
  const { username, password } = new URL(smtpUrl)
  const connection = new SMTPConnection(lineTo(smtpUrl))
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      connection.close()
      reject(error)
    }
    // Later errors come with what is being sent; without a listener they would end the process.
    connection.on('error', fail)
    connection.connect((error) => {
      if (error) return fail(error)
      if (!username) return resolve(connection)
      connection.login({ user: decodeURIComponent(username), pass: decodeURIComponent(password) }, (refusal) =>
        refusal ? fail(refusal) : resolve(connection),
      )
    })
  })
}

interface Composed {
  content: Buffer
  envelope: Parameters<SMTPConnection['send']>[0]
}

/** `handOver` is called when the server has asked for the content, and before any of it flows; false keeps it back. */
function sent(
  connection: SMTPConnection,
  { content, envelope }: Composed,
  handOver: () => Promise<boolean>,
): Promise<void> {
  const message = Readable.from(
    (async function* () {
      if (!(await handOver())) throw new Error('Somebody else has taken this mail')
      yield content
    })(),
  )
  return new Promise((resolve, reject) =>
    connection.send(envelope, message, (error) => (error ? reject(error) : resolve())),
  )
}

/**
 * What becomes of a mail that was not taken. The server's own word counts: 4xx may pass, 5xx stays (RFC 5321, section
 * 4.2.1), but a refused sign-in or greeting says nothing about the mail. Without a word after the hand-over nobody
 * knows.
 */
function outcomeOf(error: unknown, attempts: number, isHandedOver: boolean): Parameters<typeof store.settleMail>[2] {
  const { responseCode, command } = (error instanceof Error ? error : {}) as { responseCode?: number; command?: string }
  if (isHandedOver && responseCode === undefined) return { state: 'unknown' }
  if (responseCode !== undefined && responseCode >= 500 && /^(MAIL FROM|RCPT TO|DATA)$/.test(command ?? ''))
    return { state: 'given_up' }
  const inMinutes = retryMinutes[attempts - 1]
  return inMinutes === undefined ? { state: 'given_up' } : { state: 'due', inMinutes }
}

const wordsOf = (error: unknown) =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ').slice(0, failureLengthMax)
