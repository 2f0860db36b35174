// A round through everything that @xapi/xapi can do, with each of its two adapters: `fetch` in Node,
// `axios` in a page on another origin than the LRS. (In Node, axios replaces the content type of a
// Blob, and so that of a statement with attachments, by application/octet-stream.)
//
// stdin:  {endpoint, user, password, adapter: 'axios' | 'fetch'}
// stdout: what came back, for the test to judge
import './failures.mjs';
import {randomUUID} from 'node:crypto';
import {readFileSync} from 'node:fs';
import module from '@xapi/xapi';
import {openPage} from './browser.mjs';

const {endpoint, user, password, adapter} = JSON.parse(readFileSync(0, 'utf8'));
const page = adapter === 'axios' ?
  openPage('https://content.example.org/page.html', '@xapi/xapi/dist/XAPI.umd.js') : undefined;
const XAPI = page ? page.window.XAPI : module;
const xapi = new XAPI({
  endpoint: `${endpoint}/`, auth: XAPI.toBasicAuth(user, password), version: '1.0.3', adapter
});
const iri = kind => `https://example.org/${kind}/${randomUUID()}`;
const agent = {objectType: 'Agent', name: 'Ada', mbox: `mailto:${randomUUID()}@example.org`};
const activity = {
  objectType: 'Activity', id: iri('activity'), definition: {name: {en: 'Gowning'}}
};
const verb = {id: iri('verb'), display: {en: 'gowned'}};
const registration = randomUUID();
const context = {registration};
const statement = () => ({actor: agent, verb, object: activity, context});
const ids = answer => answer.data.statements.map(one => one.id);
const status = async promise => {
  try {
    return (await promise).status;
  } catch(error) {
    // The adapter for fetch throws the text of the answer.
    return error.response?.status ?? JSON.parse(error.message).status;
  }
};

const answer = {};
answer.about = (await xapi.getAbout()).data;

// Statements: one, several, read back, filtered, page by page.
const [one] = (await xapi.sendStatement({statement: statement()})).data;
const several = (await xapi.sendStatements({
  statements: [statement(), {...statement(), object: {objectType: 'Activity', id: iri('other')}}]
})).data;
answer.sent = [one, ...several];
answer.read = (await xapi.getStatement({statementId: one})).data;
answer.unknown = await status(xapi.getStatement({statementId: randomUUID()}));
answer.byAgent = ids(await xapi.getStatements({agent}));
answer.byVerb = ids(await xapi.getStatements({verb: verb.id}));
answer.byActivity = ids(await xapi.getStatements({activity: activity.id}));
answer.byRegistration = ids(await xapi.getStatements({registration, ascending: true}));
answer.related = ids(await xapi.getStatements({
  agent, related_agents: true, related_activities: true, since: '2020-01-01T00:00:00Z'
}));
answer.format = (await xapi.getStatement({statementId: one, format: 'ids'})).data;
let list = await xapi.getStatements({agent, limit: 2});
answer.pages = [ids(list)];
while(list.data.more) {
  list = await xapi.getMoreStatements({more: list.data.more});
  answer.pages.push(ids(list));
}
answer.cacheBuster = await status(xapi.getAbout({useCacheBuster: true}));

// An attachment, there and back.
const content = new TextEncoder().encode('what was seen: bytes, ä and all').buffer;
const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
const attachment = {
  usageType: 'https://example.org/usage/evidence', display: {en: 'Evidence'},
  contentType: 'text/plain', length: content.byteLength,
  sha2: Array.from(digest, byte => byte.toString(16).padStart(2, '0')).join('')
};
const [attached] = (await xapi.sendStatement({
  statement: {...statement(), object: {...activity, id: iri('film')}, attachments: [attachment]},
  attachments: [content]
})).data;
answer.attached = attached;
answer.multipart = (await xapi.getStatement({statementId: attached, attachments: true})).data;

// Voiding.
const [voiding] = (await xapi.voidStatement({actor: agent, statementId: one})).data;
answer.voiding = (await xapi.getStatement({statementId: voiding})).data.object;
answer.voided = await status(xapi.getStatement({statementId: one}));
answer.found = (await xapi.getVoidedStatement({voidedStatementId: one})).data.id;

// State.
const activityId = activity.id;
const where = {agent, activityId, registration};
await xapi.createState({...where, stateId: 'a', state: {x: 1, y: {z: 1}}});
await xapi.createState({...where, stateId: 'a', state: {y: 2}});
answer.state = (await xapi.getState({...where, stateId: 'a'})).data;
await xapi.setState({...where, stateId: 'b', state: 'plain', contentType: 'text/plain'});
answer.plain = (await xapi.getState({...where, stateId: 'b'})).data;
answer.states = (await xapi.getStates(where)).data.sort();
await xapi.deleteState({...where, stateId: 'a'});
answer.left = (await xapi.getStates(where)).data;
await xapi.deleteStates(where);
answer.cleared = (await xapi.getStates(where)).data;

// Profiles, with the ETag that the last answer gave.
const profile = {agent, profileId: 'p'};
await xapi.createAgentProfile({...profile, profile: {a: 1}});
const read = await xapi.getAgentProfile(profile);
answer.profile = read.data;
const match = {etag: read.headers.etag, matchHeader: 'If-Match'};
await xapi.setAgentProfile({...profile, profile: {b: 2}, ...match});
answer.stale = await status(xapi.setAgentProfile({...profile, profile: {c: 3}, ...match}));
answer.replaced = (await xapi.getAgentProfile(profile)).data;
answer.profiles = (await xapi.getAgentProfiles({agent})).data;
await xapi.deleteAgentProfile(profile);
answer.gone = await status(xapi.getAgentProfile(profile));
const course = {activityId, profileId: 'p'};
await xapi.setActivityProfile({
  ...course, profile: {a: 1}, etag: '*', matchHeader: 'If-None-Match'
});
answer.course = (await xapi.getActivityProfile(course)).data;
answer.courses = (await xapi.getActivityProfiles({activityId})).data;
await xapi.deleteActivityProfile(course);

// Agents and activities.
answer.person = (await xapi.getAgent({agent})).data;
answer.activity = (await xapi.getActivity({activityId})).data;
answer.expected = {agent, activity, verb, registration, attachment};
answer.complaints = page?.complaints ?? [];
page?.window.close();
process.stdout.write(JSON.stringify(answer));
