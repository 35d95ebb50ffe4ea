import * as fc from 'fast-check';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { sortExposition } from './exposition.ts';

describe('sortExposition', () => {
  it('orders families by name, samples by labels and buckets by their bound', async () => {
    const registers = [new Registry()];
    const [registry] = registers;
    const histogram = new Histogram({
      name: 'm_seconds',
      help: 'Time',
      labelNames: ['depth'],
      buckets: [0.5, 2.5, 10],
      registers,
    });
    histogram.observe({ depth: 'full' }, 3);
    histogram.observe({ depth: 'fetch' }, 0.1);
    const gauge = new Gauge({ name: 'z_total', help: 'Last', labelNames: ['status'], registers });
    gauge.set({ status: 'b' }, 2);
    gauge.set({ status: 'a' }, 1);
    new Counter({ name: 'a_total', help: 'First # HELP of all', registers }).inc();
    expect(sortExposition((await registry?.metrics()) ?? '')).toBe(`# HELP a_total First # HELP of all
# TYPE a_total counter
a_total 1
# HELP m_seconds Time
# TYPE m_seconds histogram
m_seconds_bucket{le="0.5",depth="fetch"} 1
m_seconds_bucket{le="2.5",depth="fetch"} 1
m_seconds_bucket{le="10",depth="fetch"} 1
m_seconds_bucket{le="+Inf",depth="fetch"} 1
m_seconds_bucket{le="0.5",depth="full"} 0
m_seconds_bucket{le="2.5",depth="full"} 0
m_seconds_bucket{le="10",depth="full"} 1
m_seconds_bucket{le="+Inf",depth="full"} 1
m_seconds_count{depth="fetch"} 1
m_seconds_count{depth="full"} 1
m_seconds_sum{depth="fetch"} 0.1
m_seconds_sum{depth="full"} 3
# HELP z_total Last
# TYPE z_total gauge
z_total{status="a"} 1
z_total{status="b"} 2
`);
  });

  it('gives one text for equal values, in whatever order they were set', async () => {
    const series = fc.uniqueArray(fc.record({ a: fc.string(), b: fc.string() }), {
      selector: (labels) => JSON.stringify(labels),
      maxLength: 12,
    });
    const render = async (labels: readonly { a: string; b: string }[]) => {
      const registry = new Registry();
      const gauge = new Gauge({ name: 'g', help: 'Any', labelNames: ['a', 'b'], registers: [registry] });
      for (const set of labels) gauge.set(set, set.a.length);
      return sortExposition(await registry.metrics());
    };
    await fc.assert(
      fc.asyncProperty(series, async (labels) => {
        const text = await render(labels);
        expect(text).toBe(await render(labels.toReversed()));
        expect(text.trimEnd().split('\n')).toHaveLength(2 + labels.length);
      }),
    );
  });

  it('changes nothing that is in order already, and ends an empty one with a line', () => {
    const text = '# HELP a x\n# TYPE a gauge\na 1\n';
    expect(sortExposition(text)).toBe(text);
    expect(sortExposition(`\n${text}\n\n`)).toBe(text);
  });
});
