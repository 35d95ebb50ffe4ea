import { describe, expect, it } from 'vitest';
import { parseNotifyConfig } from './notify-config.ts';

const slack = { type: 'slack', url: 'https://hooks.example.com/services/T0/B0/hidden-token' };
const parse = (document: unknown): ReturnType<typeof parseNotifyConfig> => parseNotifyConfig(JSON.stringify(document));
const problemsOf = (document: unknown): readonly string[] => {
  const parsed = parse(document);
  return 'problems' in parsed ? parsed.problems : [];
};
const withChannel = (channel: unknown) => ({ channels: { team: channel }, routes: [] });
const withRoute = (route: unknown) => ({ channels: { team: slack }, routes: [route] });

describe('parseNotifyConfig', () => {
  it('reads every type of channel, and fills what is left out', () => {
    const parsed = parse({
      channels: {
        hook: { type: 'webhook', url: 'http://a.example.com/x', secret: 'one, whsec_c2VjcmV0LXNlY3JldA==' },
        open: { type: 'webhook', url: 'http://a.example.com/x' },
        run: { type: 'runbook', url: 'https://a.example.com/x', secret: 'one' },
        team: slack,
        room: { type: 'teams', url: 'https://a.example.com/x' },
        pager: { type: 'pagerduty', routingKey: 'R0' },
        genie: { type: 'opsgenie', apiKey: 'key', url: 'https://api.eu.opsgenie.com' },
        am: { type: 'alertmanager', url: 'http://am:9093' },
        mail: { type: 'email', host: 'mail.example.com', from: 'Not After <n@example.com>', to: 'ops@example.com' },
      },
      routes: [
        { channels: ['team'] },
        { match: { severity: 'critical', domain: '*.Example.com' }, channels: ['pager'] },
      ],
    });
    expect('config' in parsed && Object.fromEntries(parsed.config.channels)).toMatchObject({
      hook: { secret: ['one', 'whsec_c2VjcmV0LXNlY3JldA=='] },
      pager: { url: 'https://events.pagerduty.com/v2/enqueue' },
      genie: { url: 'https://api.eu.opsgenie.com' },
      mail: { secure: false, requireTls: true, to: ['ops@example.com'] },
    });
    expect('config' in parsed && parsed.config.routes).toEqual([
      { match: {}, channels: ['team'], stop: false },
      { match: { severity: ['critical'], domain: ['*.example.com'] }, channels: ['pager'], stop: false },
    ]);
  });

  it.each([
    ['text that is not JSON', '{"channels": hidden', 'is not valid JSON'],
    ['a list', '[]', 'must be a JSON object with channels and routes'],
    ['null', 'null', 'must be a JSON object with channels and routes'],
  ])('refuses %s', (_, text, problem) => {
    expect(parseNotifyConfig(text)).toEqual({ problems: [problem] });
  });

  it.each<[string, unknown, string[]]>([
    ['no routes', { channels: {} }, ['routes must be a list']],
    ['no channels', { routes: [] }, ['channels must be an object of channels by their names']],
    ['another key', { channels: {}, routes: [], hidden: 1 }, ['must hold nothing but channels and routes']],
    ['a channel that is text', withChannel('hidden'), ['channel 1 (team): type must be one of ']],
    ['an unknown type', withChannel({ type: 'hidden' }), ['channel 1 (team): type must be one of ']],
    ['a type from the prototype', withChannel({ type: 'constructor' }), ['channel 1 (team): type must be one of ']],
    ['a missing field', withChannel({ type: 'slack' }), ['channel 1 (team): url is missing']],
    ['no runbook secret', withChannel({ type: 'runbook', url: slack.url }), ['channel 1 (team): secret is missing']],
    [
      'a bad URL',
      withChannel({ type: 'slack', url: 'ftp://hidden' }),
      ['channel 1 (team): url must be an http or https URL'],
    ],
    [
      'an unknown field',
      withChannel({ ...slack, hidden: 1 }),
      ['channel 1 (team): its field 3 is not known: there are type, url'],
    ],
    [
      'a field of another type',
      withChannel({ ...slack, routingKey: 'hidden' }),
      ['channel 1 (team): routingKey is not a field of this type'],
    ],
    [
      'a key with a line break',
      withChannel({ type: 'opsgenie', apiKey: 'hid\nden' }),
      ['channel 1 (team): apiKey must not hold control characters'],
    ],
    [
      'a secret that is not base64',
      withChannel({ ...slack, type: 'webhook', secret: 'whsec_hidden!' }),
      ['channel 1 (team): secret must be a comma list of secrets; after whsec_ base64'],
    ],
    [
      'an empty secret in a list',
      withChannel({ ...slack, type: 'webhook', secret: 'hidden,' }),
      ['channel 1 (team): secret must be a comma list of secrets; after whsec_ base64'],
    ],
    [
      'a user without a password, and a bad port',
      {
        channels: {
          a: { type: 'email', host: 'h', from: 'a@example.com', to: ['b@example.com'], user: 'hidden' },
          b: { type: 'email', host: 'h', from: 'a@example.com', to: [], port: 0 },
        },
        routes: [],
      },
      [
        'channel 1 (a): user and password go together',
        'channel 2 (b): port must be a port',
        'channel 2 (b): to must be an e-mail address or a list of them',
      ],
    ],
    [
      'a header slipped into an address',
      withChannel({ type: 'email', host: 'h', from: 'a@example.com', to: 'b@example.com\r\nBcc: hidden@example.com' }),
      ['channel 1 (team): to must be an e-mail address or a list of them'],
    ],
    ['a bad name', { channels: { 'Hidden!': slack }, routes: [] }, ['channel 1: its name must be']],
    ['a name of ours', { channels: { runbook: slack }, routes: [] }, ['channel 1 (runbook): its name is taken']],
    ['a route to nowhere', withRoute({ channels: ['team', 'hidden'] }), ['route 1: channels: name 2 is not the name']],
    ['a route without channels', withRoute({ match: {} }), ['route 1: channels is missing']],
    ['a route to nobody', withRoute({ channels: [] }), ['route 1: channels must not be empty']],
    ['a route that is text', withRoute('hidden'), ['route 1 must be an object']],
    [
      'an unknown severity',
      withRoute({ match: { severity: 'hidden' }, channels: ['team'] }),
      ['route 1: match.severity must be of critical, warning'],
    ],
    [
      'an unknown match',
      withRoute({ match: { hidden: 'x' }, channels: ['team'] }),
      ['route 1: its match.field 1 is not known: there are severity, route, class, orgId, domain'],
    ],
    [
      'an unknown field of a route',
      withRoute({ channels: ['team'], hidden: 1 }),
      ['route 1: its field 2 is not known: there are match, channels, stop'],
    ],
    [
      'a bad domain',
      withRoute({ match: { domain: 'hid den' }, channels: ['team'] }),
      ['route 1: match.domain must be a domain name'],
    ],
  ])('names place and field, never a value: %s', (_, document, expected) => {
    const problems = problemsOf(document);
    expect(problems).toHaveLength(expected.length);
    for (const [index, start] of expected.entries()) expect(problems[index]).toContain(start);
    expect(problems.join('\n')).not.toMatch(/hid.?den/i);
  });
});
