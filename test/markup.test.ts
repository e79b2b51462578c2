import { describe, expect, it } from 'vitest'
import { plainLine, plainLines } from '../src/leads/markup.ts'

describe('markup in a text', () => {
  it.each([
    ['Hej<br />Er den ledig?<br />Hilsen Ida', 'Hej\nEr den ledig?\nHilsen Ida'],
    ['Hej<br />\r\nEr den ledig?<BR>\nHilsen Ida', 'Hej\nEr den ledig?\nHilsen Ida'],
    ['<p>Hej</p>\n<p>Er den ledig?</p>', 'Hej\n\nEr den ledig?'],
    ['<div>Hej</div><div>Ida</div>', 'Hej\nIda'],
    ['<div>Hej</div><div><br></div><div>Ida</div>', 'Hej\n\nIda'],
    ['<b>Hej</b> <span style="color: red">Ida</span>', 'Hej Ida'],
    ['<ul><li>Volvo</li><li>Skoda</li></ul>', '- Volvo\n- Skoda'],
    ['<table><tr><td>Pris</td><td>5</td></tr><tr><td>Km</td></tr></table>', 'Pris 5\nKm'],
    ['Se <a href="https://cars.example/1?a=1&amp;b=2">bilen</a>!', 'Se bilen (https://cars.example/1?a=1&b=2)!'],
    ['<a href="https://cars.example/">cars.example</a>', 'cars.example'],
    ['<a href="javascript:alert(1)">bilen</a>', 'bilen'],
    ['<style>p { color: red }</style><p>Hej</p><script>alert(1)</script>', 'Hej'],
    ['Hej<!-- <br> -->Ida', 'HejIda'],
    ['S&oslash;ren M&#248;ller &#xE6;', 'Søren Møller æ'],
    ['Hej&nbsp;Ida', 'Hej Ida'],
    ['S&amp;oslash;ren', 'Søren'],
    ['Hej&lt;br /&gt;Ida', 'Hej\nIda'],
    ['5 &lt; 6 &amp; 7', '5 < 6 & 7'],
    ['Hej<br>skriv til <jens@example.com>', 'Hej\nskriv til <jens@example.com>'],
    ['<style>Hej', 'Hej'],
  ])('is read as people see it: %j', (said, seen) => {
    expect(plainLines(said)).toBe(seen)
  })

  it.each([
    'a < b',
    'a <b and c> d',
    'I <3 it',
    '<jens@example.com>',
    '<Ida>',
    'R&D',
    'AT&T;',
    'x &nosuch; y',
    'Hej\n\nIda',
  ])('is not everything with such signs: %j', (said) => {
    expect(plainLines(said)).toBeUndefined()
  })

  it('of a name is one line', () => {
    expect(plainLine('<b>S&oslash;ren</b><br>M&oslash;ller')).toBe('Søren Møller')
    expect(plainLine('O&#39;Brien')).toBe("O'Brien")
    expect(plainLine("O'Brien")).toBeUndefined()
  })

  it('cannot make us work', () => {
    for (const hostile of [
      '<div>',
      '<!--',
      '<style>',
      '<a href="https://a.example">',
      '<a ',
      '<p ',
      '\n \t',
      '&',
      '&amp;',
    ])
      expect(plainLines(`<br>${hostile.repeat(100_000)}`)).toBeTypeOf('string')
    expect(plainLines(`<a ${'='.repeat(500_000)}`)).toBeUndefined()
  })
})
