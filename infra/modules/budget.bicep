// Mails when the month costs more than was meant to. It stops nothing.
param name string
param amount int
@description('First of a month; a later deployment must say the same.')
param start string
param email string

// A nested template rather than the resource itself, because the types that all else here is checked against offline hold no
// Microsoft.Consumption. Its values are this file's: nested expressions are evaluated outside unless one asks otherwise.
resource budget 'Microsoft.Resources/deployments@2025-04-01' = {
  name: name
  properties: {
    mode: 'Incremental'
    template: {
      '$schema': 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'
      contentVersion: '1.0.0.0'
      resources: [
        {
          type: 'Microsoft.Consumption/budgets'
          apiVersion: '2023-11-01'
          name: name
          properties: {
            category: 'Cost'
            amount: amount
            timeGrain: 'Monthly'
            timePeriod: { startDate: start }
            notifications: {
              Actual80: {
                enabled: true
                operator: 'GreaterThanOrEqualTo'
                threshold: 80
                thresholdType: 'Actual'
                contactEmails: [email]
              }
              Forecast100: {
                enabled: true
                operator: 'GreaterThanOrEqualTo'
                threshold: 100
                thresholdType: 'Forecasted'
                contactEmails: [email]
              }
            }
          }
        }
      ]
    }
  }
}
