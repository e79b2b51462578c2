import { expect } from 'vitest'
import { link } from '../linking.ts'
import { lead } from '../service.ts'
import { hostile, long, screens, turned } from './screens.ts'

screens({
  customers: {
    states: [
      'customers-empty',
      'customers-error',
      'customers',
      'customers-found',
      'customers-none-found',
      'customer-new-refused',
      'customers-same',
      'customer-origins',
      'customer-meanwhile',
      'customer-saved',
      'customer-find',
      'customer-compare',
      'customer-merge-failed',
      'customer-merged',
      'customer-take-out',
      'customer-unmerged',
      'customer-merged-id',
      'customer-lead',
      'customer-missing',
    ],
    walk: async (walk) => {
      const { service, dealerId, admin, dms, website, page, signIn, dialog, button, state, go } = walk
      const { failing, asUsual, admitted } = walk
      await signIn(admin.email)
      await go('/customers')
      await state('customers-empty', page.getByText('No customers yet.'))
      await failing('**/v1/customers?*')
      await go('/customers')
      await state('customers-error', button('Try again'))
      await asUsual()

      const write = async (source: string, id: string, body: object): Promise<string> => {
        const path = `/v1/customers/by-reference/${source}/${encodeURIComponent(id)}`
        const reply = await service.call('PUT', path, { token: dms.token, body })
        expect([reply.status, reply.text]).toEqual([201, reply.text])
        return reply.body.id
      }
      const phones = [{ number: '+45 32 12 34 56' }]
      const company = { name: turned, registrationNumber: '10150817' }
      const address = { lines: [long, 'Havnegade 4'], postalCode: '22041', city: 'Hamburg', countryCode: 'DE' }
      const emails = [{ address: `${long.slice(0, 40)}@customer.example` }, { address: 'odd' }]
      const id = await write('dms', '1', { name: { full: long }, phones, emails, organization: company, address })
      const other = await write('crm', long, { name: { full: long }, phones, surprise: { [hostile]: turned } })
      await write('dms', '3', { kind: 'organization', organization: { name: turned }, phones })
      for (const given of ['Peter', 'Ida'])
        await service.call('POST', '/v1/leads', {
          token: website.token,
          body: lead({ customer: { name: { given, family: long }, phones } }),
        })
      await link(service, dealerId)
      await go('/customers')
      await state('customers', page.getByRole('row').filter({ hasText: 'Hamburg' }))
      await page.getByLabel('Look for a customer').fill('3456')
      await state('customers-found', page.getByText('customers found'))
      await page.getByLabel('Look for a customer').fill('nobody')
      await state('customers-none-found', page.getByText('Nobody found.'))
      await button('New customer').click()
      await dialog.getByRole('button', { name: 'New customer' }).click()
      await state('customer-new-refused', dialog.getByText('Give an e-mail address, a phone number or an address'))
      await go('/customers?view=same')
      await state('customers-same', page.getByText('These pairs are alike'))

      await go(`/customers/${id}`)
      await button('Where it comes from').waitFor()
      const correct = (body: object) =>
        service.call('PATCH', `/v1/customers/${id}`, { token: admin.token, body, headers: { 'if-match': '*' } })
      await correct({ phones: null, emails: [{ address: 'ida@customer.example' }] })
      await page.getByText('Shown empty by').first().waitFor()
      await button('Where it comes from (2 said otherwise)').click()
      await state('customer-origins', page.getByText('says:'))
      await button('Edit').click()
      await page.getByLabel('Whole name').fill('Ida')
      await correct({ name: { full: turned }, address: null })
      await state('customer-meanwhile', page.getByText('You have changed this, too'))
      await page.getByLabel('Phone 1', { exact: true }).fill('after six')
      await button('Save').click()
      await state('customer-saved', page.getByText('Saved, but look at this:'))

      await button('Merge with another customer…').click()
      await dialog.getByLabel('Look for a customer').fill('3456')
      await state('customer-find', dialog.getByText('customers found'))
      await page.keyboard.press('Escape')
      await page
        .getByRole('button', { name: `Compare with ${long}`, exact: true })
        .first()
        .click()
      await dialog.getByRole('cell').filter({ hasText: 'Hamburg' }).or(dialog.getByText('in crm')).first().waitFor()
      await page.waitForFunction(() => document.querySelector('.together bdi') !== null)
      await state('customer-compare', button('Merge'))
      await failing('**/merge')
      await button('Merge').click()
      await state('customer-merge-failed', dialog.getByText('Request id: req-1234'))
      await asUsual()
      await button('Merge').click()
      await page.getByText('merged by').waitFor()
      await state('customer-merged', page.getByText('is part of this customer now.'))
      await page.getByRole('button', { name: /^Take out ./ }).click()
      await state('customer-take-out', dialog.getByText('It becomes a customer of its own again'))
      await button('Take out').click()
      await state('customer-unmerged', page.getByText('is a customer of their own again.'))

      await admitted('PUT', `/v1/customers/${other}/merge`, { into: id })
      await go(`/customers/${other}`)
      await state('customer-merged-id', page.getByText('The customer that you were looking for is part of this one.'))
      await go('/leads')
      await page.getByRole('link', { name: `Peter ${long}` }).click()
      await state('customer-lead', page.getByText('All leads of this customer'))
      await go(`/customers/cust_${'0'.repeat(32)}`)
      await state('customer-missing', page.getByText('It is not there any more.'))
    },
  },
})
