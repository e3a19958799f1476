//! The desk between a client and a supervisor that the test plays.

use super::*;
use crate::link;
use crate::message;

async fn asked(ask: &Asks, role: Role, max_age: Duration) -> oneshot::Receiver<Bytes> {
    let (reply, answer) = oneshot::channel();
    ask.send(Ask::Status { role, max_age, reply }).await.unwrap();
    answer
}

#[tokio::test]
async fn an_answer_is_put_together_from_its_parts_and_serves_until_it_is_old() {
    let (parent, child) = link::pair().unwrap();
    let mut far = Link::new(parent, Role::Supervisor).unwrap();
    let desk = Desk::new(Link::new(child, Role::Ops).unwrap());
    let ask = desk.ask.clone();
    let minute = Duration::from_secs(60);
    let answered = async {
        let first = asked(&ask, Role::Lvs, Duration::ZERO).await;
        let joined = asked(&ask, Role::Lvs, minute).await;
        let text = vec![b'7'; message::ANSWER_PART + 1];
        let Message::Query { id } = far.receive().await.unwrap().unwrap().message else {
            panic!("a query")
        };
        for part in message::answer(id, &text) {
            far.send(Role::Ops, &part).await.unwrap();
        }
        assert_eq!(first.await.unwrap(), text);
        assert_eq!(joined.await.unwrap(), text);
        assert_eq!(asked(&ask, Role::Lvs, minute).await.await.unwrap(), text);
        // Whoever wants it fresh gets it fresh.
        let fresh = asked(&ask, Role::Lvs, Duration::ZERO).await;
        let Message::Query { id } = far.receive().await.unwrap().unwrap().message else {
            panic!("a query")
        };
        far.send(Role::Ops, &message::answer(id, b"8")[0]).await.unwrap();
        assert_eq!(fresh.await.unwrap(), &b"8"[..]);
        far.send(Role::Ops, &Message::Stop).await.unwrap();
    };
    let (ran, ()) = tokio::join!(desk.run(), answered);
    ran.unwrap();
}

#[tokio::test]
async fn a_shown_answer_goes_on_piece_by_piece() {
    let (parent, child) = link::pair().unwrap();
    let mut far = Link::new(parent, Role::Supervisor).unwrap();
    let desk = Desk::new(Link::new(child, Role::Ops).unwrap());
    let ask = desk.ask.clone();
    let answered = async {
        let (to, mut read) = pieces();
        ask.send(Ask::Show { of: None, form: Form::Page, pieces: to }).await.unwrap();
        let Message::Show { id, of: None, form: Form::Page } =
            far.receive().await.unwrap().unwrap().message
        else {
            panic!("it is passed on")
        };
        let part = |text: &[u8], last| Message::Answer { id, last, json: text.to_vec() };
        far.send(Role::Ops, &part(b"one ", false)).await.unwrap();
        // Before the next is there.
        assert!(matches!(read.recv().await, Some(Piece::Text(text)) if text == "one "));
        far.send(Role::Ops, &part(b"two", true)).await.unwrap();
        assert!(matches!(read.recv().await, Some(Piece::Text(text)) if text == "two"));
        assert!(matches!(read.recv().await, Some(Piece::End)));
        assert!(read.recv().await.is_none());
        far.send(Role::Ops, &Message::Stop).await.unwrap();
    };
    let (ran, ()) = tokio::join!(desk.run(), answered);
    ran.unwrap();
}
