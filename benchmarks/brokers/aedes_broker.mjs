// aedes behind node's TLS: the certificate's CN is the device, and three callbacks hold it to its rights.
import fs from 'node:fs'
import tls from 'node:tls'
import { Aedes } from 'aedes'

const config = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))

function compile (filters) {
  const exact = new Set()
  const patterns = []
  for (const filter of filters) {
    if (/[+#]/.test(filter)) patterns.push(filter.split('/'))
    else exact.add(filter)
  }
  return { exact, patterns, filters: new Set(filters) }
}

function matches (pattern, levels) {
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === '#') return true
    if (i >= levels.length) return false
    if (pattern[i] !== '+' && pattern[i] !== levels[i]) return false
  }
  return pattern.length === levels.length
}

// a filter is covered by a pattern when it is nowhere wider; '+' and '#' in it are levels like any other
function covers (pattern, levels) {
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === '#') return true
    if (i >= levels.length || levels[i] === '#') return false
    if (pattern[i] !== '+' && pattern[i] !== levels[i]) return false
  }
  return pattern.length === levels.length
}

function allows (rights, topic, test = matches) {
  if (!rights) return false
  if (rights.exact.has(topic)) return true
  const levels = topic.split('/')
  if (levels[levels.length - 1] === '#' && test === matches) return false
  return rights.patterns.some((pattern) => test(pattern, levels))
}

const publish = new Map()
const subscribe = new Map()
for (const [device, rights] of Object.entries(config.rights)) {
  publish.set(device, compile(rights.publish))
  subscribe.set(device, compile(rights.subscribe))
}

const deviceOf = (client) => (client.device ??= client.conn.getPeerCertificate().subject.CN)

const aedes = await Aedes.createBroker()
aedes.authorizePublish = (client, packet, callback) => {
  const allowed = client !== null && allows(publish.get(deviceOf(client)), packet.topic)
  callback(allowed ? null : new Error('not authorized'))
}
aedes.authorizeSubscribe = (client, subscription, callback) => {
  const rights = subscribe.get(deviceOf(client))
  const allowed = rights.filters.has(subscription.topic) || allows(rights, subscription.topic, covers)
  callback(null, allowed ? subscription : null)
}
aedes.authorizeForward = (client, packet) =>
  allows(subscribe.get(deviceOf(client)), packet.topic) ? packet : null

const server = tls.createServer({
  ca: fs.readFileSync(config.ca),
  cert: fs.readFileSync(config.certificate),
  key: fs.readFileSync(config.key),
  minVersion: 'TLSv1.3',
  requestCert: true,
  rejectUnauthorized: true
}, (socket) => {
  socket.setNoDelay(true)
  aedes.handle(socket)
})
server.listen(0, '127.0.0.1', () => {
  console.error(`aedes ready mqtts://127.0.0.1:${server.address().port}`)
})
