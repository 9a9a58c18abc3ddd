const app = require('express')();
app.use(require('express').json());

app.get('/answer', (request, response) => {
  const menu = { action: 'talk', text: 'For sales press 1.', bargeIn: true };
  response.json([menu, { action: 'input', type: ['dtmf'], dtmf: { maxDigits: 1 } }]);
});

app.post('/event', (request, response) => {
  if (!request.body.dtmf) return response.end();
  const sales = { action: 'connect', from: '442079460000', endpoint: [{ type: 'phone', number: '447700900301' }] };
  response.json([request.body.dtmf.digits === '1' ? sales : { action: 'talk', text: 'Goodbye.' }]);
});

const server = app.listen(process.env.PORT ?? 3000, () => console.log(server.address().port));
