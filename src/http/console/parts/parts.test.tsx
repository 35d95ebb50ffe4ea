import type { Child } from 'hono/jsx';
import { describe, expect, it } from 'vitest';
import { defaultPreferences } from '../preferences.ts';
import { markupOf, type View, ViewProvider } from '../view.ts';
import { ExpiryCalendar, heatClass, heatSteps } from './calendar.tsx';
import { Bars, LineChart, pathOf } from './charts.tsx';
import { Filters } from './filters.tsx';
import { ActionLink, Field, PostButton } from './forms.tsx';
import { Lifetimes } from './lifetimes.tsx';
import { Empty, Facts, Panel } from './panel.tsx';
import { ProgressBar, ProgressKey, Tries } from './progress.tsx';
import { Sheet } from './sheet.tsx';
import { Drift, Status } from './state.tsx';
import { DataTable, Pager } from './table.tsx';
import { DomainLink, Fingerprint, Host, Quoted, Time } from './text.tsx';

const now = Date.parse('2026-11-21T03:12:00Z');
const markup = '<img src=x onerror="alert(1)">&\'';

const viewWith = (change: Partial<View> = {}): View => ({
  actor: { name: 'dana', role: 'operator', orgId: null },
  now,
  base: '/cert',
  path: '/console/domains',
  query: new URLSearchParams('status=expiring&cursor=abc'),
  preferences: defaultPreferences,
  requestId: null,
  follows: true,
  ...change,
});

const render = (content: Child, change: Partial<View> = {}): string =>
  markupOf(<ViewProvider value={viewWith(change)}>{content}</ViewProvider>);

const text = (html: string): string => html.replaceAll(/<[^>]*>/g, '').trim();

describe('text from outside', () => {
  it.each([
    ['a quoted error', <Quoted text={markup} />],
    ['a host name', <Host name={markup} />],
    ['the link of a domain', <DomainLink name={markup} />],
    ['a reference', <Fingerprint of={markup} />],
    ['a whole reference', <Fingerprint of={markup} whole />],
    ['a fact', <Facts of={[['Error', markup]]} />],
    ['a cell', <DataTable caption={markup} columns={[{ name: markup, cell: (row: string) => row }]} rows={[markup]} />],
    [
      'a row id',
      <DataTable caption="x" columns={[{ name: 'n', cell: () => 1 }]} rows={[markup]} rowId={(row) => row} />,
    ],
    ['a field', <Field id="f" name="q" label={markup} value={markup} />],
    ['a chip', <Filters to="events" chips={[{ name: markup, text: markup }]} />],
    ['a sheet', <Sheet title={markup} about={markup} back={{ to: markup }} fields={{ [markup]: markup }} />],
    [
      'a lifetime',
      <Lifetimes of={[{ name: markup, notBefore: now, notAfter: now + 1e9, renewalDue: null, kind: 'old' }]} />,
    ],
  ])('stays text in %s', (_, part) => {
    const html = render(part);
    expect(html).not.toContain('<img');
    expect(html.replaceAll(/="[^"]*"/g, '')).not.toContain('onerror="');
    expect(html).not.toMatch(/\sstyle=|<script|\son\w+="/);
  });

  it('loses characters that change how the rest reads', () => {
    expect(text(render(<Quoted text={'a\u202Egpj.exe\u0007'} />))).toBe('a gpj.exe');
  });
});

describe('a time', () => {
  it.each([
    ['relative', now - 4 * 3_600_000 - 31 * 60_000, '4 h 31 min ago'],
    ['since', now - 58 * 60_000, '58 min'],
    ['relative', now + 89 * 86_400_000, 'in 89 d'],
    ['relative', now - 31 * 86_400_000, '21 Oct 2026'],
    ['clock', now, '03:12'],
    ['date', now, '21 Nov 2026'],
    ['exact', now, '21 Nov 2026 03:12:00 UTC'],
  ] as const)('%s', (as, at, shown) => {
    const html = render(<Time at={at} as={as} />);
    expect(text(html)).toBe(shown);
    expect(html).toContain(`datetime="${new Date(at).toISOString()}"`);
    expect(html.includes(' title="')).toBe(as !== 'exact');
  });

  it('is a dash where there is none', () => {
    expect(text(render(<Time at={null} />))).toBe('–');
  });

  it('is shown in the zone of the viewer', () => {
    const preferences = { ...defaultPreferences, zone: 'Asia/Kolkata' };
    expect(text(render(<Time at={now} as="clock" />, { preferences }))).toBe('08:42');
  });
});

describe('names and states', () => {
  it('lets a host name wrap after dots and dashes', () => {
    expect(render(<Host name="a-b.example" />)).toBe('a-<wbr/>b.<wbr/>example');
  });

  it('shows a state as shape, word and colour', () => {
    const html = render(<Status of="tls_error" />);
    expect(html).toContain('href="#s-tls_error"');
    expect(text(html)).toBe('TLS error');
    expect(text(render(<Drift of={null} />))).toBe('–');
  });
});

describe('a table', () => {
  const columns = [
    { name: 'Domain', kind: 'id', sort: 'name', cell: (row: { n: string }) => row.n },
    { name: 'Events', kind: 'num', cell: () => 3 },
  ] as const;

  it('keeps its semantics and labels where rows become records', () => {
    const html = render(<DataTable caption="Domains" columns={columns} rows={[{ n: 'a' }]} sorted="name" />);
    expect(html).toContain('<caption class="sr">Domains</caption>');
    expect(html).toContain('aria-sort="ascending"');
    expect(html).toContain('href="/cert/console/domains?status=expiring&amp;sort=-name"');
    expect(html).toContain('data-label="Events"');
    expect(html).not.toContain('data-label="Domain"');
  });

  it('says what would be there when there is nothing', () => {
    const html = render(
      <DataTable caption="Domains" columns={columns} rows={[]} empty={<Empty title="No domains">Add one.</Empty>} />,
    );
    expect(html).not.toContain('<table');
    expect(text(html)).toBe('No domainsAdd one.');
  });

  it('leads on and back with the filters of the page', () => {
    const html = render(<Pager next="xyz" size={50} />);
    expect(html).toContain('href="/cert/console/domains?status=expiring&amp;cursor=xyz"');
    expect(html).toContain('href="/cert/console/domains?status=expiring"');
  });
});

describe('an act above the role', () => {
  it.each([
    [
      'a link',
      <ActionLink to="x" needs="admin">
        Set policy
      </ActionLink>,
    ],
    [
      'a form',
      <PostButton to="x" needs="admin">
        Set policy
      </PostButton>,
    ],
  ])('is shown disabled with the reason: %s', (_, part) => {
    expect(text(render(part))).toBe('Set policy (needs admin)');
    expect(render(part)).toContain('disabled');
    expect(text(render(part, { actor: { name: 'r', role: 'admin', orgId: null } }))).toBe('Set policy');
  });

  it('that spans organisations is refused to whoever is bound to one', () => {
    const actor = { name: 'r', role: 'admin', orgId: 'fern' } as const;
    expect(
      text(
        render(
          <ActionLink to="x" spans>
            Replay all
          </ActionLink>,
          { actor },
        ),
      ),
    ).toBe('Replay all (spans organisations)');
  });
});

describe('charts', () => {
  it('break where a value is missing', () => {
    expect(pathOf([0, 10, null, 5], 10)).toBe('M0 59L200 2M600 30.5h1');
    expect(pathOf([], 0)).toBe('');
  });

  it.each([
    [0, 0],
    [1, 1],
    [24, 1],
    [25, 2],
    [1199, 4],
    [1200, 5],
  ])('%i certificates of a fleet of 48,211 are of class %i', (n, expected) => {
    expect(heatClass(n, heatSteps(48_211))).toBe(expected);
  });

  it('lay the calendar in weeks from Monday, each day a link that says its numbers', () => {
    const days = ['2026-11-21', '2026-11-22', '2026-11-23'].map((date, index) => ({
      date,
      expiring: index,
      overdue: index === 1 ? 1 : 0,
    }));
    const html = render(<ExpiryCalendar days={days} fleet={100} linkOf={(date) => `/d?expires=${date}`} />);
    expect(html).toContain('aria-label="22 November: 1 expire, 1 past renewal due"');
    expect(html.match(/<a href="\/d/g)).toHaveLength(3);
    expect(text(html)).toContain('16 Nov23 Nov');
  });

  it('say lifetimes in sentences', () => {
    const life = {
      name: 'Expected',
      notBefore: now - 1e9,
      notAfter: now + 5e9,
      renewalDue: now + 2e9,
      kind: 'expected',
    } as const;
    expect(render(<Lifetimes of={[life]} />)).toContain(
      'aria-label="Expected: valid 9 Nov 2026 to 18 Jan 2027, renewal due 14 Dec 2026. Today is 21 Nov 2026."',
    );
  });

  it('draw progress with widths and say it in words', () => {
    const done = { ok: 121, bad: 3, skipped: 0, total: 186 };
    expect(render(<ProgressBar {...done} label="Replay 213" />)).toContain('aria-valuetext="124 of 186 done"');
    expect(text(render(<ProgressKey {...done} left=", about 31 s" />))).toBe(
      '121 applied3 failed again62 left, about 31 s',
    );
  });

  it.each([
    ['tries', <Tries made={2} most={5} />, '2/5'],
    ['bars', <Bars values={[0, 1, 17]} />, ''],
    ['lines', <LineChart title="187" lines={[{ name: 'a', values: [1, 2], tone: 'a' }]} axis={['now']} />, '187now'],
    [
      'panel',
      <Panel id="x" title="T" about="1 of 2">
        c
      </Panel>,
      'T1 of 2c',
    ],
  ])('%s', (_, part, shown) => {
    expect(text(render(part))).toBe(shown);
  });
});
