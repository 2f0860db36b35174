// ADL's xAPIWrapper in a page on another origin than the LRS.
//
// stdin:  {endpoint, user, password}
// stdout: what came back, for the test to judge
import './failures.mjs';
import {randomUUID} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {openPage} from './browser.mjs';

const {endpoint, user, password} = JSON.parse(readFileSync(0, 'utf8'));
const {window, complaints} = openPage(
  'https://content.example.org/page.html', 'xapiwrapper/dist/xapiwrapper.min.js');
const {ADL} = window;
const wrapper = ADL.XAPIWrapper;
wrapper.changeConfig({
  endpoint: `${endpoint}/`,
  auth: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
});
// Without this nobody is called back after an error.
ADL.xhrRequestOnError = (xhr, method, url, callback) => callback(xhr);
// Its callbacks get the request and, in some calls, what it was about.
const call = (name, ...given) => new Promise(done => wrapper[name](...given, done));
const json = xhr => JSON.parse(xhr.responseText);
// It asks whether a document is an Object, so that must be made by the page.
const inPage = value => window.JSON.parse(JSON.stringify(value));

const iri = kind => `https://example.org/${kind}/${randomUUID()}`;
const actor = {mbox: `mailto:${randomUUID()}@example.org`, name: 'Ada', objectType: 'Agent'};
const verb = {id: iri('verb'), display: {en: 'gowned'}};
const object = {id: iri('activity'), objectType: 'Activity', definition: {name: {en: 'Gowning'}}};
const statement = more => ({actor, verb, object, ...more});
const answer = {};

const one = randomUUID();
answer.sent = (await call('sendStatement', statement({id: one}))).status;
const several = await call('sendStatements', [statement(), statement()]);
answer.several = json(several);
answer.read = json(await call('getStatements', {statementId: one}, null));
const list = await call('getStatements', {activity: object.id, limit: 2}, null);
answer.found = [json(list).statements.map(each => each.id)];
for(let {more} = json(list); more;) {
  const next = await call('getStatements', null, more);
  answer.found.push(json(next).statements.map(each => each.id));
  more = json(next).more;
}
answer.byAgent = json(
  await call('getStatements', {agent: JSON.stringify(actor), verb: verb.id}, null)).statements.length;

const content = 'what was seen: bytes, ä and all';
const [type, attached] = [{
  usageType: 'https://example.org/usage/evidence', display: {en: 'Evidence'},
  contentType: 'text/plain'
}, randomUUID()];
answer.attached = (await new Promise(done => wrapper.sendStatement(
  statement({id: attached}), done, [{type, value: content}]))).status;
answer.attachment = json(
  await call('getStatements', {statementId: attached}, null)).attachments[0];
answer.multipart = (
  await call('getStatements', {statementId: attached, attachments: true}, null)).responseText;

await call('sendStatement', {
  actor, verb: ADL.verbs.voided, object: {objectType: 'StatementRef', id: one}
});
answer.voided = (await call('getStatements', {statementId: one}, null)).status;
answer.underItsOtherName = json(await call('getStatements', {voidedStatementId: one}, null)).id;

// An object is posted and merged, a list is put.
const state = [object.id, actor, 'bookmark', null];
await call('sendState', ...state, inPage({page: 7}), null, null);
await call('sendState', ...state, inPage({chapter: 2}), null, null);
answer.state = json(await call('getState', ...state, null));
await call('sendState', object.id, actor, 'list', null, inPage([1, 2]), null, null);
answer.states = json(await call('getState', object.id, actor, null, null, null)).sort();
answer.deleted = (await call('deleteState', ...state, null, null)).status;

// It works out the ETag itself: the SHA-1 of what it read (Communication 3.1 of 1.0.3).
const activityProfile = [object.id, 'p'];
await call('sendActivityProfile', ...activityProfile, inPage([1]), null, '*');
const read = (await call('getActivityProfile', ...activityProfile, null)).responseText;
const hash = wrapper.hash(read);
answer.replaced = (await call('sendActivityProfile', ...activityProfile, inPage([2]), hash, null)).status;
answer.stale = (await call('sendActivityProfile', ...activityProfile, inPage([3]), hash, null)).status;
answer.profile = json(await call('getActivityProfile', ...activityProfile, null));
await call('sendAgentProfile', actor, 'p', inPage({language: 'en-GB'}), null, '*');
answer.agentProfile = json(await call('getAgentProfile', actor, 'p', null));
answer.agentProfiles = json(await call('getAgentProfile', actor, null, null));
answer.agentProfileDeleted = (
  await call('deleteAgentProfile', actor, 'p', null, null)).status;

answer.person = json(await call('getAgents', actor));
answer.activity = json(await call('getActivities', object.id));
answer.complaints = complaints;
answer.expected = {actor, verb, object, one, attached, content};
window.close();
process.stdout.write(JSON.stringify(answer));
