// A whole session of cmi5 (Quartz), by @xapi/cmi5 in a page on another origin than the LRS.
//
// The part of the LMS is played here: it makes the launch data, the learner's preferences and the
// "launched" statement, and hands out the session's key once (cmi5 8.2, 10, 11).
//
// stdin:  {endpoint, user, password}
// stdout: what the unit did, for the test to judge
import './failures.mjs';
import {randomUUID} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {createServer} from 'node:http';
import {openPage} from './browser.mjs';

const {endpoint, user, password} = JSON.parse(readFileSync(0, 'utf8'));
const token = Buffer.from(`${user}:${password}`).toString('base64');
const iri = kind => `https://example.org/${kind}/${randomUUID()}`;
const actor = {
  objectType: 'Agent', account: {homePage: 'https://example.org', name: randomUUID()}
};
const registration = randomUUID();
const activityId = iri('unit');
const sessionId = randomUUID();
const contextTemplate = {
  contextActivities: {grouping: [{objectType: 'Activity', id: iri('publisher')}]},
  extensions: {'https://w3id.org/xapi/cmi5/context/extensions/sessionid': sessionId}
};

async function lms(method, resource, query, body, headers = {}) {
  const answer = await fetch(`${endpoint}/${resource}?${new URLSearchParams(query)}`, {
    method,
    headers: {
      Authorization: `Basic ${token}`, 'X-Experience-API-Version': '1.0.3',
      'Content-Type': 'application/json', ...headers
    },
    body: JSON.stringify(body)
  });
  if(!answer.ok) {
    throw new Error(`${method} ${resource}: ${answer.status} ${await answer.text()}`);
  }
}

// The LMS hands out the key of a session once; the request comes from the page's origin.
const fetches = [];
const server = createServer((request, response) => {
  fetches.push(request.method);
  response.writeHead(200, {
    'Content-Type': 'application/json', 'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Headers': '*'
  });
  response.end(JSON.stringify({'auth-token': token}));
});
await new Promise(ready => server.listen(0, '127.0.0.1', ready));

const agent = JSON.stringify(actor);
await lms('PUT', 'activities/state', {
  agent, registration, activityId, stateId: 'LMS.LaunchData'
}, {contextTemplate, launchMode: 'Normal', moveOn: 'CompletedAndPassed', masteryScore: 0.8});
await lms('PUT', 'agents/profile', {agent, profileId: 'cmi5LearnerPreferences'},
  {languagePreference: 'en-GB', audioPreference: 'on'}, {'If-None-Match': '*'});
await lms('POST', 'statements', {}, {
  actor, verb: {id: 'http://adlnet.gov/expapi/verbs/launched'}, object: {id: activityId},
  context: {...contextTemplate, registration}
});

const launch = new URLSearchParams({
  endpoint: `${endpoint}/`, fetch: `http://127.0.0.1:${server.address().port}/token`,
  actor: agent, registration, activityId
});
const {window, complaints} = openPage(
  `https://content.example.org/unit.html?${launch}`, '@xapi/cmi5/dist/Cmi5.umd.js');
const {Cmi5} = window;
const answer = {available: Cmi5.isCmiAvailable};
const cmi5 = new Cmi5();
await cmi5.initialize();
answer.launchData = cmi5.getLaunchData();
answer.preferences = cmi5.getLearnerPreferences();
await cmi5.progress(50);
await cmi5.interactionChoice(
  `${activityId}/test`, 'gloves', ['sterile'], ['sterile'],
  [{id: 'sterile', description: {en: 'Sterile'}}, {id: 'none', description: {en: 'None'}}],
  {en: 'Gloves'}, {en: 'Which gloves?'}, true);
await cmi5.interactionNumeric(
  `${activityId}/test`, 'particles', 3500, {min: 0, max: 3520}, {en: 'Particles'});
const state = {agent: cmi5.launchParameters.actor, activityId, registration, stateId: 'bookmark'};
await cmi5.xapi.setState({...state, state: {page: 7}});
answer.bookmark = (await cmi5.xapi.getState(state)).data;
await cmi5.moveOn({score: {scaled: 0.9}});
answer.complaints = complaints;
answer.fetches = fetches;
answer.expected = {actor, registration, activityId, sessionId, contextTemplate};
server.close();
window.close();
process.stdout.write(JSON.stringify(answer));
