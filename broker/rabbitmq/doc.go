// Package rabbitmq is the broker of many nodes over RabbitMQ 3.9 or later, by AMQP 0-9-1.
//
//	b, err := rabbitmq.New(rabbitmq.Options{URL: "amqp://localhost:5672"})
//	h, err := hub.New(hub.Options{Broker: b})
package rabbitmq
