import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { requireBinary } from '../support/binaries.ts';
import { filesIn, output, read, unknownSeries } from './support/files.ts';

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: Place;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}
interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly links: readonly { readonly url: string }[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: { readonly list: readonly { readonly definition: string }[] };
}

const dashboards = filesIn('ops/grafana/dashboards', '.json').map((file) => ({
  file,
  board: JSON.parse(read(file)) as Dashboard, // checked member by member below
}));
const source = /uid: (\w+)/.exec(read('ops/grafana/provisioning/datasources/prometheus.yml'))?.[1];

/** Every expression, with values in the place of Grafana's own variables. */
const expressionsOf = ({ panels, annotations }: Dashboard): string[] =>
  [...panels.flatMap(({ targets = [] }) => targets), ...annotations.list].map(({ expr }) =>
    expr.replaceAll('$__rate_interval', '1m').replaceAll('$job', 'notafter'),
  );

const overlap = (a: Place, b: Place): boolean =>
  a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

const folder = mkdtempSync(path.join(tmpdir(), 'notafter-grafana-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Lets promtool parse expressions, as rules that record them; JSON is YAML as well. */
const parse = (name: string, expressions: readonly string[]): Promise<string> => {
  const file = path.join(folder, `${name}.yml`);
  const rules = expressions.map((expr, index) => ({ record: `expression:${index}`, expr }));
  writeFileSync(file, JSON.stringify({ groups: [{ name, rules }] }));
  return output(requireBinary('promtool'), 'check', 'rules', file);
};

describe.each(dashboards)('$file', ({ board }) => {
  it('holds expressions that Prometheus takes', async () => {
    const expressions = expressionsOf(board);
    await expect(parse(board.uid, expressions)).resolves.toContain(`${expressions.length} rules found`);
  });

  it('asks only for series that the product has', () => {
    expect(unknownSeries([...expressionsOf(board), ...board.templating.list.map((one) => one.definition)])).toEqual([]);
  });

  it('asks the source that is provisioned', () => {
    const asked = board.panels.flatMap(({ datasource, targets = [] }) => [
      ...(datasource === undefined ? [] : [datasource.uid]),
      ...targets.map((target) => target.datasource.uid),
    ]);
    expect(new Set(asked)).toEqual(new Set([source]));
  });

  it('has panels with a title and a number of their own, none over another', () => {
    const { panels } = board;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const [index, panel] of panels.entries()) {
      expect(panel.title).not.toBe('');
      expect(panel.gridPos.x + panel.gridPos.w).toBeLessThanOrEqual(24);
      const others = panels.slice(index + 1).filter(({ gridPos }) => overlap(panel.gridPos, gridPos));
      expect(others.map(({ title }) => `${title} lies over ${panel.title}`)).toEqual([]);
    }
  });

  it('leads to the other one', () => {
    const known = dashboards.map((one) => `/d/${one.board.uid}`);
    for (const { url } of board.links) expect(known).toContain(url);
    expect(board.links).toHaveLength(1);
  });
});

describe('the check of expressions', () => {
  it('refuses what Prometheus does', async () => {
    await expect(parse('broken', ['sum(rate(x[5m])'])).rejects.toThrow(/parse/);
  });
});
